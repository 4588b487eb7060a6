/** What AMC's agent sees of a decision (AMC, section 3.1, eq. 1): the paper's eleven features, each scaled to 0..1. */
import type { Counted, Counts, Decision } from './decisions.ts';

/** t, n, c, h, w, stride, k, FLOPs[t], reduced, rest, a[t - 1]. */
export const stateSize = 11;
const reducedColumn = 8;
const restColumn = 9;
const previousColumn = 10;

export class PruneStates {
  readonly #rows: readonly Float32Array[];
  readonly #counts: Counted;
  readonly #whole: number; // multiply-accumulates with all channels

  constructor(counts: Counted) {
    this.#counts = counts;
    const all = counts.all;
    this.#whole = counts.macs(all);
    const raw = counts.decisions.map((decision, t) => columnsOf(decision, t, this.#whole - macsWithout(counts, all, t)));
    this.#rows = raw.map(() => new Float32Array(stateSize));
    for (let column = 0; column < reducedColumn; column += 1) {
      const values = raw.map((row) => row[column] ?? 0);
      const low = Math.min(...values);
      const span = Math.max(...values) - low;
      values.forEach((value, t) => {
        const row = this.#rows[t];
        if (row) row[column] = span > 0 ? (value - low) / span : 0; // the same everywhere tells nothing
      });
    }
  }

  /**
   * The state (11) before decision t. `decided` are the counts before it. Reduced: the share of the multiply-accumulates that
   * they took away; rest: the share that the decisions from t on can still take away.
   */
  observe(t: number, decided: Counts): Float32Array {
    const row = this.#rows[t];
    if (!row) throw new RangeError(`there is no decision ${t}`);
    const { decisions } = this.#counts;
    const open = [...decided, ...decisions.slice(t).map(({ units }) => units)];
    const least = [...decided, ...decisions.slice(t).map(({ minimum }) => minimum)];
    const now = this.#counts.macs(open);
    const state = row.slice();
    state[reducedColumn] = (this.#whole - now) / this.#whole;
    state[restColumn] = (now - this.#counts.macs(least)) / this.#whole;
    state[previousColumn] = t === 0 ? 1 : (decided[t - 1] ?? 0) / (decisions[t - 1]?.units ?? 1);
    return state;
  }
}

function columnsOf({ layer }: Decision, t: number, macs: number): number[] {
  const [height = 1, width = 1] = layer.inputShape.length === 3 ? layer.inputShape : [1, 1];
  const side = ([a, b]: readonly [number, number]): number => Math.sqrt(a * b);
  return [t, layer.outChannels, layer.inChannels, height, width, side(layer.stride), side(layer.kernel), macs];
}

/** With one decision at a single unit: what is gone is what the group's channels cost. */
function macsWithout(counts: Counted, all: readonly number[], t: number): number {
  return counts.macs(all.map((units, index) => (index === t ? 1 : units)));
}
