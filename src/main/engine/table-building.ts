/** Questions about building a latency table: which keys, what a simulator says of them, what this machine measures. */
import os from 'node:os';
import { env } from 'onnxruntime-node';
import { z } from 'zod';
import type { LatencyEntry, TableScheme } from '../../shared/latency-table.ts';
import { tableSchemeSchema } from '../../shared/latency-table.ts';
import { bitsSchema } from '../../shared/policy.ts';
import { requireSimulated, targetSchema } from '../../shared/target.ts';
import { measureNetwork, measureOperators } from '../hardware/host/measure.ts';
import { simulateTable } from '../hardware/tables/build.ts';
import { partsOf, sessionKey } from '../hardware/tables/parts.ts';
import { graphSha256 } from '../network/graph-form.ts';
import { networkTitle } from '../network/describe.ts';
import type { Graph } from '../network/graph.ts';
import type { RequestWork } from './dataset-requests.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';
import { subjectOf, subjectSchema } from './table-subjects.ts';

const hostOptionsSchema = z.object({
  threads: z.number().int().positive(),
  batch: z.number().int().positive(),
  warmup: z.number().int().nonnegative(),
  repeats: z.number().int().positive(),
});
export type HostOptions = z.input<typeof hostOptionsSchema>;

const keysQuestionSchema = z.object({ subjects: z.array(subjectSchema), scheme: tableSchemeSchema });
const simulateQuestionSchema = z.object({
  subject: subjectSchema,
  target: targetSchema,
  batch: z.number().int().positive(),
  weightBits: z.array(bitsSchema),
  activationBits: z.array(bitsSchema),
});
const operatorsQuestionSchema = hostOptionsSchema.extend({ keys: z.array(z.string()) });
const networkQuestionSchema = hostOptionsSchema.extend({ network: questionNetworkSchema });

/** Every key that networks and spaces need, once, in the order in which they come; of operators, what a run itself takes as well. */
export function answerKeys(input: unknown): string[] {
  const { subjects, scheme } = keysQuestionSchema.parse(input);
  return keysOf(
    subjects.flatMap((subject) => subjectOf(subject).graphs),
    scheme,
  );
}

function keysOf(graphs: readonly Graph[], scheme: TableScheme): string[] {
  const keys = graphs.flatMap((graph) => partsOf(graph, scheme).map(({ key }) => key));
  return [...new Set(scheme === 'operators' ? [sessionKey, ...keys] : keys)];
}

/** One entry a key. */
export function answerSimulateTable(input: unknown): LatencyEntry[] {
  const { subject, target, ...rest } = simulateQuestionSchema.parse(input);
  const simulated = requireSimulated(target, 'layers to simulate');
  const entries = subjectOf(subject).graphs.flatMap((graph) => simulateTable(graph, simulated, rest));
  return [...new Map(entries.map((entry) => [entry.key, entry])).values()];
}

/** What decides a measured latency besides the operator. */
export function describeHost(): Record<string, string> {
  const [cpu] = os.cpus();
  return {
    processor: cpu?.model.trim() ?? 'unknown',
    'logical processors': String(os.availableParallelism()),
    runtime: `ONNX Runtime ${env.versions.node ?? env.versions.common}`,
    system: `${os.platform()} ${os.arch()}`,
  };
}

export async function answerHostOperators(input: unknown, { signal }: RequestWork): Promise<LatencyEntry[]> {
  const { keys, ...options } = operatorsQuestionSchema.parse(input);
  return await measureOperators(keys, { ...options, signal });
}

export async function answerHostNetwork(input: unknown, { signal }: RequestWork): Promise<unknown> {
  const { network, ...options } = networkQuestionSchema.parse(input);
  const graph = graphOf(network);
  const timing = await measureNetwork(graph, { ...options, signal });
  return { ...timing, label: networkTitle(network, graph.inputShape), graph: graphSha256(graph), atMs: Date.now() };
}
