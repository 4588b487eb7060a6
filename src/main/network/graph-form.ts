/**
 * A graph written down: as a JSON value, which also identifies it, and as text (YAML, an operator a line). Both are read back to an
 * equal graph.
 */
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { LatheError } from '../../shared/errors.ts';
import { sha256OfJson } from '../compute/hash.ts';
import { createGraph } from './graph.ts';
import type { Graph, NodeSpec } from './graph.ts';

const largestTextBytes = 64 * 2 ** 20;
const largestNodeCount = 20_000;

// JSON has no infinities, a bound of `clip` may be one.
const bound = z.union([z.number(), z.enum(['-Infinity', 'Infinity']).transform(Number)]);
const size = z.number().int();
const pair = z.tuple([size, size]).readonly();
const padding = z.tuple([size, size, size, size]).readonly();
const unary = { name: z.string(), input: z.string() };
const merging = { name: z.string(), inputs: z.array(z.string()).readonly() };
const window = { kernel: pair, stride: pair, padding };
const bias = z.boolean();

const nodeSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('conv'), ...unary, outChannels: size, ...window, dilation: pair, groups: size, bias }),
  z.strictObject({ kind: z.literal('linear'), ...unary, outFeatures: size, bias }),
  z.strictObject({ kind: z.literal('batchNorm'), ...unary, epsilon: z.number(), momentum: z.number() }),
  z.strictObject({ kind: z.literal('channelAffine'), ...unary, trained: z.literal(false) }),
  z.strictObject({ kind: z.enum(['relu', 'relu6', 'hardSwish', 'sigmoid', 'swish', 'tanh']), ...unary }),
  z.strictObject({ kind: z.literal('hardSigmoid'), ...unary, alpha: z.number(), beta: z.number() }),
  z.strictObject({ kind: z.literal('leakyRelu'), ...unary, slope: z.number() }),
  z.strictObject({ kind: z.literal('clip'), ...unary, minimum: bound, maximum: bound }),
  z.strictObject({ kind: z.enum(['add', 'concat']), ...merging }),
  z.strictObject({ kind: z.literal('mul'), name: z.string(), inputs: z.tuple([z.string(), z.string()]).readonly() }),
  z.strictObject({ kind: z.literal('maxPool'), ...unary, ...window }),
  z.strictObject({ kind: z.literal('averagePool'), ...unary, ...window, countPadding: z.boolean() }),
  z.strictObject({ kind: z.enum(['globalAveragePool', 'flatten', 'softmax']), ...unary }),
  z.strictObject({ kind: z.literal('pad'), ...unary, padding, value: z.number() }),
  z.strictObject({ kind: z.literal('dropout'), ...unary, probability: z.number() }),
]);

const graphSchema = z.strictObject({
  format: z.literal('lathe-graph'),
  formatVersion: z.literal(2),
  inputShape: z.tuple([size, size, size]),
  nodes: z.array(nodeSchema).max(largestNodeCount),
});

/** The JSON value that identifies a graph: its input and operators, nothing that is inferred. */
export function graphToJson(graph: Graph): unknown {
  return {
    format: 'lathe-graph',
    formatVersion: 2,
    inputShape: graph.inputShape,
    nodes: graph.nodes.map((node) => specToJson(node.spec)),
  };
}

/** The graph that `graphToJson` wrote. Throws LatheError bad-input naming the place, or what `createGraph` finds. */
export function graphFromJson(value: unknown): Graph {
  const { inputShape, nodes } = checked(value);
  return createGraph(inputShape, nodes satisfies readonly NodeSpec[]);
}

/** SHA-256 over the canonical text of `graphToJson`. */
export function graphSha256(graph: Graph): string {
  return sha256OfJson(graphToJson(graph));
}

/** YAML with an operator a line, for a person and for a file. */
export function graphToText(graph: Graph): string {
  const line = (value: unknown): string => stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trimEnd();
  const nodes = graph.nodes.map((node) => `  - ${line(specToJson(node.spec))}\n`);
  return `format: lathe-graph\nformatVersion: 2\ninputShape: ${line(graph.inputShape)}\nnodes:\n${nodes.join('')}`;
}

/** The graph that a text, or a JSON document, describes. Throws LatheError bad-input. */
export function graphFromText(text: string): Graph {
  if (text.length > largestTextBytes) {
    throw new LatheError('bad-input', `the network's text has ${text.length} characters; at most ${largestTextBytes} are read`);
  }
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0, logLevel: 'error' }); // warnings would go to the terminal with the text's own bytes
  } catch (cause) {
    throw new LatheError(
      'bad-input',
      `the network's text: ${cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : String(cause)}`,
    );
  }
  return graphFromJson(value);
}

function checked(value: unknown): z.infer<typeof graphSchema> {
  const result = graphSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue && issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  throw new LatheError('bad-input', `the network's description: ${place}${issue?.message ?? 'not understood'}`);
}

function specToJson(spec: NodeSpec): unknown {
  if (spec.kind !== 'clip') return spec;
  const written = (value: number): number | string => (Number.isFinite(value) ? value : String(value));
  return { ...spec, minimum: written(spec.minimum), maximum: written(spec.maximum) };
}
