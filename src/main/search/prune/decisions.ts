/** What a pruning decides, whatever it removes: of each group of channels or layer of weights how many units stay. Pure. */
import type { GroupBounds } from '../../../shared/prune.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { QuantizableLayer } from '../../network/graph.ts';

/** One decision: a group that can lose units. */
export interface Decision {
  readonly name: string;
  readonly units: number;
  readonly step: number; // units that go or stay together
  readonly minimum: number; // units that stay at least
  readonly maximum: number; // and at most
  /** The layer that stands for the group in the agent's state: of channels the first that reads them, as in AMC. */
  readonly layer: QuantizableLayer;
}

/** Units that stay of each decision, in order. */
export type Counts = readonly number[];

/** What a choice of counts leaves of a network, without building it. The counts of each call are checked by nobody: they come from the search. */
export abstract class Counted<D extends Decision = Decision> {
  readonly decisions: readonly D[];

  protected constructor(decisions: readonly D[]) {
    this.decisions = decisions;
  }

  /** Multiply-accumulates that are left. */
  abstract macs(counts: Counts): number;
  /** Parameters that are left. */
  abstract params(counts: Counts): number;
  /** Bytes that those take as they are stored, places included where they must be. */
  abstract bytes(counts: Counts): number;

  /** Everything stays. */
  get all(): number[] {
    return this.decisions.map(({ units }) => units);
  }

  get fewest(): number[] {
    return this.decisions.map(({ minimum }) => minimum);
  }

  get most(): number[] {
    return this.decisions.map(({ maximum }) => maximum);
  }
}

export interface Bounds {
  readonly minimumRatio: number;
  readonly maximumRatio: number;
  readonly roundTo: number; // of channels
  readonly groups: readonly GroupBounds[];
}

/** Throws LatheError bad-input where a smallest ratio is above its largest. */
export function requireOrder(what: string, { minimumRatio, maximumRatio }: Pick<Bounds, 'minimumRatio' | 'maximumRatio'>): void {
  if (minimumRatio > maximumRatio) {
    throw new LatheError('bad-input', `${what} ${minimumRatio} is above its largest ${maximumRatio}; exchange them`);
  }
}

/**
 * Units for a ratio (AMC, `prune_kernel`): rounded, at least one, up to the next multiple of `step`; where that is more than
 * there are, down to one. Unlike the released code it never gives 0: a group smaller than `step` stays whole.
 */
export function unitsOf(ratio: number, units: number, step: number): number {
  const wanted = Math.max(1, Math.round(units * ratio));
  const up = Math.ceil(wanted / step) * step;
  if (up <= units) return up;
  return Math.max(Math.floor(units / step) * step, 0) || units;
}

/** The counts that a decision may take, the fewest first: multiples of its step between its bounds, and the bounds. */
export function choicesOf({ minimum, maximum, step }: Pick<Decision, 'minimum' | 'maximum' | 'step'>): number[] {
  const choices = [minimum];
  for (let count = (Math.floor(minimum / step) + 1) * step; count < maximum; count += step) choices.push(count);
  if (maximum > minimum) choices.push(maximum);
  return choices;
}

/** The decision's choice for a ratio, rounded up as `unitsOf`, within its bounds. */
export function choiceFor(decision: Decision, ratio: number): number {
  const wanted = unitsOf(ratio, decision.units, decision.step);
  return choicesOf(decision).findLast((count) => count <= wanted) ?? decision.minimum;
}
