/** A pruning in stages: each takes a part of the way to the budgets and is fine-tuned before the next. Pure. */
import type { Budget, Resource } from '../../../shared/policy.ts';

/**
 * Limits of a stage, counted from 0: equal factors from the whole network to the budgets, so that four stages to a sixteenth halve
 * four times. A limit that the whole network keeps already stays as it is.
 */
export function stageLimits(limits: readonly Budget[], whole: (resource: Resource) => number, stages: number, index: number): Budget[] {
  return limits.map((limit) => {
    const all = whole(limit.resource);
    if (limit.value >= all || index === stages - 1) return limit;
    return { ...limit, value: all * (limit.value / all) ** ((index + 1) / stages) };
  });
}

/** Trials of a stage, and those of the stages before it: equal parts, the last gets what is left over. */
export function stageTrials(trials: number, stages: number, index: number): { readonly trials: number; readonly before: number } {
  const each = Math.floor(trials / stages);
  return { trials: index === stages - 1 ? trials - each * index : each, before: each * index };
}
