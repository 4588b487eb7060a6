/** A network's latency as the sum of a table's entries. A missing key is named, interpolated or fitted only where that is asked for, and marked. */
import { LatheError } from '../../../shared/errors.ts';
import type { Coverage, PredictedPart, Prediction, TableScheme } from '../../../shared/latency-table.ts';
import type { Graph } from '../../network/graph.ts';
import type { PolicyBits } from '../cost-table.ts';
import { fitModel, fitRows, type OperatorModel } from './fit.ts';
import { formatKey, parseKey, type TableKey } from './keys.ts';
import { partsOf, sessionKey, type KeyedPart } from './parts.ts';
import { workOf } from './work.ts';

export interface PricedEntry {
  readonly latencyMs: number;
  readonly stdMs: number | null;
}

/** A table as prices are read from it: of `batch` images. */
export interface PricedTable {
  readonly id: string;
  readonly scheme: TableScheme;
  readonly batch: number;
  readonly threads: number | null;
  readonly entries: ReadonlyMap<string, PricedEntry>;
}

/** What stands in for a missing key. */
export type Filling = 'none' | 'interpolate' | 'fit';

/** Errors as `partsOf`. */
export function predict(
  graph: Graph,
  title: string,
  table: PricedTable,
  filling: Filling,
  bits?: PolicyBits,
): Omit<Prediction, 'measured'> {
  const pricer = new Pricer(table, filling);
  const parts = partsOf(graph, table.scheme, bits).map((part) => pricer.price(part));
  const missing = [...new Set(parts.filter(({ origin }) => origin === 'missing').map(({ key }) => key))];
  const overheadMs = table.entries.get(sessionKey)?.latencyMs ?? 0;
  const latencyMs = missing.length > 0 ? null : parts.reduce((sum, part) => sum + (part.latencyMs ?? 0), overheadMs);
  return { network: title, table: table.id, batch: table.batch, threads: table.threads, latencyMs, overheadMs, parts, missing };
}

/** Prices parts, making what that needs (siblings, a fitted model) once and only when a key is missing. */
export class Pricer {
  readonly #table: PricedTable;
  readonly #filling: Filling;
  #siblings: Map<string, Sibling[]> | null = null;
  #model: OperatorModel | null = null;

  constructor(table: PricedTable, filling: Filling) {
    this.#table = table;
    this.#filling = filling;
  }

  price({ name, key }: KeyedPart): PredictedPart {
    const entry = this.#table.entries.get(key);
    if (entry) return { name, key, ...entry, origin: 'table', between: [] };
    const missing: PredictedPart = { name, key, latencyMs: null, stdMs: null, origin: 'missing', between: [] };
    if (this.#filling === 'none') return missing;
    const parsed = parseKey(key);
    if (this.#filling === 'interpolate') {
      const found = this.#interpolate(parsed);
      return found ? { ...missing, ...found, origin: 'interpolated' } : missing;
    }
    this.#model ??= fitModel(fitRows(Array.from(this.#table.entries, ([known, { latencyMs }]) => [known, latencyMs] as const)));
    const fitted = this.#model.predict(workOf(parsed));
    return fitted === null ? missing : { ...missing, latencyMs: fitted, origin: 'fitted' };
  }

  /** Linear in multiply-accumulates between the nearest entries that differ in channels alone; never beyond them. */
  #interpolate(key: TableKey): { latencyMs: number; between: string[] } | null {
    this.#siblings ??= siblingsOf(this.#table);
    const at = effort(key);
    let [below, above]: [Sibling | null, Sibling | null] = [null, null];
    for (const sibling of this.#siblings.get(familyOf(key)) ?? []) {
      if (sibling.effort <= at && (below === null || sibling.effort > below.effort)) below = sibling;
      if (sibling.effort >= at && (above === null || sibling.effort < above.effort)) above = sibling;
    }
    if (!below || !above) return null;
    const share = above.effort === below.effort ? 0 : (at - below.effort) / (above.effort - below.effort);
    return { latencyMs: below.latencyMs + share * (above.latencyMs - below.latencyMs), between: [...new Set([below.key, above.key])] };
  }
}

interface Sibling {
  readonly key: string;
  readonly effort: number;
  readonly latencyMs: number;
}

function siblingsOf(table: PricedTable): Map<string, Sibling[]> {
  const families = new Map<string, Sibling[]>();
  for (const [text, { latencyMs }] of table.entries) {
    const key = parseKey(text);
    const family = familyOf(key);
    families.set(family, [...(families.get(family) ?? []), { key: text, effort: effort(key), latencyMs }]);
  }
  return families;
}

/** The key without its channels. */
function familyOf(key: TableKey): string {
  if (key.scheme === 'operator') {
    const flat = (shape: readonly number[]): number[] => [...shape.slice(0, -1), 1];
    return `${workOf(key).class} ${formatKey({ ...key, inputs: key.inputs.map(flat), output: flat(key.output), groups: key.groups === null ? null : 1 })}`;
  }
  const { input, output, type, block } = key;
  const without = block === null ? '' : JSON.stringify({ ...block, expand: 0, idskip: false });
  return `${type} ${input.slice(0, -1).join('x')} ${output.slice(0, -1).join('x')} ${without}`;
}

/** Multiply-accumulates; of what has none, values. */
function effort(key: TableKey): number {
  const { macs, depthwiseMacs, bytes } = workOf(key);
  return macs + depthwiseMacs || bytes;
}

/** Errors as `partsOf`. */
export function coverage(
  table: PricedTable,
  networks: readonly { readonly title: string; readonly parts: readonly KeyedPart[] }[],
): Coverage {
  const needed = new Set<string>();
  const rows = networks.map(({ title, parts }) => {
    const uses = new Map<string, number>();
    for (const { key } of parts) uses.set(key, (uses.get(key) ?? 0) + 1);
    for (const key of uses.keys()) needed.add(key);
    const missing = [...uses].filter(([key]) => !table.entries.has(key)).map(([key, count]) => ({ key, uses: count }));
    return { network: title, keys: uses.size, missing };
  });
  const missing = [...needed].filter((key) => !table.entries.has(key)).sort();
  const unused = [...table.entries.keys()].filter((key) => !needed.has(key) && key !== sessionKey).sort();
  return { table: table.id, networks: rows, needed: needed.size, covered: needed.size - missing.length, missing, unused };
}

/** One sentence for keys that a table lacks, with what to do. */
export function missingKeysError(title: string, tableId: string, missing: readonly string[], advice: string): LatheError {
  const shown = missing.slice(0, 3).join(', ');
  const more = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return new LatheError('not-found', `${tableId} lacks ${missing.length} keys that ${title} needs: ${shown}${more}; ${advice}`, {
    missing,
  });
}
