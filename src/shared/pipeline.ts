/** How the one budget of a pipeline becomes one of each stage. Pure: the service and the form read the same figures. */
import type { Budget } from './policy.ts';
import { stageNameSchema, type PipelineStages, type RunDetail, type Solution, type StageName } from './run.ts';

/** The stages that are not skipped, in their order. */
export function stagesOf(stages: PipelineStages): StageName[] {
  return stageNameSchema.options.filter((name) => stages[name] !== undefined);
}

/** Those without a budget of their own: they share the way to the whole's. */
export function sharersOf(stages: PipelineStages): StageName[] {
  return stagesOf(stages).filter((name) => (stages[name]?.budgets ?? []).length === 0);
}

/**
 * What a stage may leave of a cost `now`, with `sharers` stages, itself among them, on the way to `limit`: each takes the same factor,
 * now x (limit / now)^(1 / sharers), so that what one could not take is shared by those behind it. All in one unit.
 */
export function shareOf(now: number, limit: number, sharers: number): number {
  return limit >= now ? limit : now * (limit / now) ** (1 / sharers);
}

/** The limit of each stage that shares, if every stage before it costs just what it may. */
export function plannedLimits(
  reference: number,
  limit: number,
  stages: PipelineStages,
): { readonly stage: StageName; readonly limit: number }[] {
  const sharers = sharersOf(stages);
  let now = reference;
  return sharers.map((stage, index) => {
    now = shareOf(now, limit, sharers.length - index);
    return { stage, limit: now };
  });
}

/** The whole budget as an amount: a fraction is of the reference. */
export function wholeLimit(budget: Budget, reference: number): number {
  return budget.kind === 'absolute' ? budget.value : budget.value * reference;
}

/** A line of a pipeline's page: its reference, a stage, or a stage alone. Factors say how often the latency fits into another one's. */
export interface PipelineRow {
  readonly name: string; // as in `RunDetail.stages` and as the solution's label
  readonly state: 'known' | 'running' | 'passed over' | 'not possible' | 'not yet'; // not possible: a stage alone cannot meet the budget
  readonly run: string | null;
  readonly solution: Solution | null;
  readonly testAccuracy: number | null; // behind quantized training where there was one
  readonly accuracyGain: number | null; // of the test accuracy, over the reference's
  readonly stageFactor: number | null; // over the stage before
  readonly wholeFactor: number | null; // over the reference
}

/** All lines that a pipeline has or will have, in the order of its stages. Empty of any other run. */
export function pipelineRowsOf({ manifest, solutions, stages, summary }: RunDetail): PipelineRow[] {
  if (manifest.method !== 'pipeline') return [];
  const rivals = stageNameSchema.options.filter((name) => manifest.rivals.includes(name)).map((name) => `${name} alone`);
  const names = ['reference', ...stagesOf(manifest.stages), ...rivals];
  const of = (name: string): Solution | null => solutions.find(({ label }) => label === name) ?? null;
  const reference = of('reference');
  let before = reference;
  return names.map((name, index): PipelineRow => {
    const solution = of(name);
    const run = stages.find((stage) => stage.name === name)?.run ?? null;
    const isStage = index > 0 && !rivals.includes(name);
    const isBehind = summary.status === 'completed' || names.slice(index + 1).some((later) => stages.some((stage) => stage.name === later));
    const without = isBehind ? (isStage ? 'passed over' : 'not possible') : 'not yet';
    const state = solution ? 'known' : run !== null ? 'running' : without;
    const stageFactor = isStage ? ratio(before, solution) : null;
    if (isStage && solution) before = solution;
    const testAccuracy = testAccuracyOf(solution);
    const referenceAccuracy = testAccuracyOf(reference);
    return {
      ...{ name, state, run, solution, testAccuracy, stageFactor },
      accuracyGain: index > 0 && testAccuracy !== null && referenceAccuracy !== null ? testAccuracy - referenceAccuracy : null,
      wholeFactor: index > 0 ? ratio(reference, solution) : null,
    };
  });
}

function ratio(above: Solution | null, below: Solution | null): number | null {
  if (!above || !below || above.latencyMs === null || below.latencyMs === null || below.latencyMs === 0) return null;
  return above.latencyMs / below.latencyMs;
}

function testAccuracyOf(solution: Solution | null): number | null {
  return solution === null ? null : (solution.tunedTestAccuracy ?? solution.testAccuracy);
}
