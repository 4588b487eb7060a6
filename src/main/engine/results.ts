/** The two records that every kind of run ends with: the float network it began with, and a network it has found, kept as one of the user's. */
import type { NetworkRecord } from '../../shared/network.ts';
import type { Solution } from '../../shared/run.ts';
import type { Graph } from '../network/graph.ts';
import type { JobContext } from './job.ts';

/** What quantizing and fine-tuning measure, before they have. */
export const unmeasured = {
  integerTestAccuracy: null,
  tunedValidationAccuracy: null,
  tunedTestAccuracy: null,
  quantized: null,
} as const;

interface FloatNetwork {
  readonly graph: Graph;
  readonly weights: string; // SHA-256 of the blob
  readonly label: string;
  readonly cost: Pick<Solution, 'latencyMs' | 'energyMj' | 'macs'> | null; // null: the target computes integers, or there is none
}

/** A network of 32-bit floats as a solution. */
export function floatSolution(
  { graph, weights, label, cost }: FloatNetwork,
  measured: Pick<Solution, 'validationAccuracy' | 'testAccuracy' | 'withinBudget'>,
): Solution {
  return {
    ...(cost ?? { latencyMs: null, energyMj: null, macs: graph.macs }),
    ...measured,
    ...unmeasured,
    role: 'float',
    label,
    policy: null,
    weights,
    sizeBytes: graph.params * Float32Array.BYTES_PER_ELEMENT,
  };
}

/** `fileSha256` is what the network is known by, `graphBlob` and `weights` are the blobs that hold it. */
export function foundNetwork(
  { job, now }: JobContext,
  graph: Graph,
  { id, fileSha256, graphBlob, weights, note }: { id: string; fileSha256: string; graphBlob: string; weights: string; note: string },
): NetworkRecord {
  return {
    id,
    source: `run ${job.runId}`,
    fileSha256,
    graph: graphBlob,
    weights,
    inputShape: [...graph.inputShape],
    classes: graph.classes,
    classNames: job.dataset.classes === graph.classes ? [...job.dataset.classNames] : null,
    macs: graph.macs,
    params: graph.params,
    report: { producer: 'Lathe', opset: 0, notes: [note], bits: [] },
    atMs: now(),
  };
}
