/** What ONNX Runtime takes on this machine for the networks of a pruning, beside what was predicted. */
import { runtimeSeries } from '../../shared/prune-words.ts';
import { measureNetwork } from '../hardware/host/measure.ts';
import type { Graph } from '../network/graph.ts';
import { throwIfCancelled } from './job.ts';
import type { PruneRun } from './prune-stage.ts';
import { targetOf } from './prune-target.ts';

const warmup = 10;
const repeats = 50;

/**
 * Measures each network as a whole, as the series `machine/runtimeMs/LABEL`, with the threads and the batch that a latency table of this
 * machine is for, or else the run's. Figures of the machine: never the same twice, so they are metrics and no part of the result.
 */
export async function measureSpeed(run: PruneRun, networks: readonly { readonly label: string; readonly graph: Graph }[]): Promise<void> {
  const { context, manifest } = run;
  const target = targetOf(manifest);
  const threads = (target?.law === 'table' ? target.threads : null) ?? manifest.threads;
  const signal = new AbortController().signal;
  for (const { label, graph } of networks) {
    throwIfCancelled(context);
    const { medianMs } = await measureNetwork(graph, { threads, batch: manifest.batch, warmup, repeats, signal });
    context.reporter.metrics([{ series: `${runtimeSeries}${label}`, step: 0, value: medianMs }]);
  }
}
