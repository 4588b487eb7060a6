/** The probabilities of an architecture search, a row a block, from the last point of each series. Pure. */
import type { ArchitectureResult } from '../../../shared/specialize.ts';
import type { Points } from './series.ts';

export interface BlockRow {
  readonly block: string;
  readonly probabilities: ReadonlyMap<string, number>; // by candidate
  readonly likeliest: string;
  readonly entropy: number; // nats
  readonly decided: boolean; // the likeliest is at least twice as likely as the second
  readonly chosen: string | null; // behind the search
}

const prefix = 'probability/';

/** In network order, which is the order of the blocks' numbers. */
export function probabilityRows(metrics: ReadonlyMap<string, Points>, found: ArchitectureResult | null): readonly BlockRow[] {
  const blocks = new Map<string, Map<string, number>>();
  for (const [series, { values }] of metrics) {
    const last = values.at(-1);
    if (!series.startsWith(prefix) || last === undefined) continue;
    const [block = '', candidate = ''] = series.slice(prefix.length).split('/');
    blocks.set(block, (blocks.get(block) ?? new Map<string, number>()).set(candidate, last));
  }
  const numberOf = (block: string): number => Number(block.slice(1));
  return [...blocks]
    .sort(([a], [b]) => numberOf(a) - numberOf(b))
    .map(([block, probabilities]) => {
      const [first, second] = [...probabilities].sort(([, a], [, b]) => b - a);
      return {
        block,
        probabilities,
        likeliest: first?.[0] ?? '',
        entropy: [...probabilities.values()].reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0),
        decided: (first?.[1] ?? 0) >= 2 * (second?.[1] ?? 0),
        chosen: found?.architecture?.choices.find((choice) => choice.block === block)?.candidate ?? null,
      };
    });
}
