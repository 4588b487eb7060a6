/** A target that carries a latency table. */
import { LatheError } from '../../shared/errors.ts';
import { latencyOf, type LatencyEntry, type LatencyTableInfo } from '../../shared/latency-table.ts';
import { maximumTargetKeys, type TableTarget } from '../../shared/target.ts';

/** Throws LatheError bad-input for a table of layers at their bits, and for one with more keys than a target carries. */
export function toTableTarget(
  table: LatencyTableInfo,
  entries: readonly LatencyEntry[],
  id: string,
  title: string | undefined,
): TableTarget {
  const { scheme } = table;
  if (scheme === 'layers')
    throw new LatheError(
      'bad-input',
      `table ${table.id} was simulated on a target at chosen bits: use that target itself, it answers for any bits`,
    );
  if (entries.length > maximumTargetKeys)
    throw new LatheError('bad-input', `table ${table.id}: a target carries at most ${maximumTargetKeys} keys, found ${entries.length}`);
  return {
    formatVersion: 1,
    id,
    title: title ?? table.title,
    source: `${table.source}${Object.entries(table.device)
      .map(([name, value]) => `; ${name} ${value}`)
      .join('')}`,
    calibration: table.origin,
    defaultBatch: table.batch,
    law: 'table',
    scheme,
    threads: table.threads,
    table: { id: table.id, sha256: table.sha256 },
    latencyMs: Object.fromEntries(entries.map((entry) => [entry.key, latencyOf(entry)])),
    energy: null,
  };
}
