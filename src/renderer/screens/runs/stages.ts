/** The stages of pipelines in the list of runs: folded under the run that made them, and opened there. Pure. */
import type { RunSummary } from '../../../shared/run.ts';

/** The stages that are listed, by the id of their pipeline, in the order in which they were made. */
export function stagesOf(runs: readonly RunSummary[]): ReadonlyMap<string, readonly RunSummary[]> {
  const stages = new Map<string, RunSummary[]>();
  for (const run of runs) {
    for (const pipeline of run.pipelines) {
      const others = stages.get(pipeline);
      if (others) others.push(run);
      else stages.set(pipeline, [run]);
    }
  }
  for (const of of stages.values()) of.sort((a, b) => a.createdAtMs - b.createdAtMs);
  return stages;
}

/**
 * The runs in their order, but for stages whose pipeline is among them: those stand under it where it is open, and nowhere else. A stage
 * of several pipelines stands under the first that is open. `stages` are those of these runs, where they are known already.
 */
export function foldStages(runs: readonly RunSummary[], open: ReadonlySet<string>, stages = stagesOf(runs)): readonly RunSummary[] {
  if (stages.size === 0) return runs;
  const listed = new Set(runs.map(({ id }) => id));
  const shown = new Set<string>();
  const rows: RunSummary[] = [];
  for (const run of runs) {
    if (run.pipelines.some((id) => listed.has(id))) continue;
    rows.push(run);
    if (!open.has(run.id)) continue;
    for (const stage of stages.get(run.id) ?? []) {
      if (shown.has(stage.id)) continue;
      shown.add(stage.id);
      rows.push(stage);
    }
  }
  return rows;
}
