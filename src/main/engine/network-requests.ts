/** Questions about files of networks: reading one, keeping one, writing one. */
import { z } from 'zod';
import { datasetRecordSchema, type DatasetRecord } from '../../shared/dataset.ts';
import {
  importReportSchema,
  networkIdSchema,
  networkRefSchema,
  resolvedNetworkRefSchema,
  shapeSchema,
  type ImportReport,
  type NetworkDiff,
  type NetworkExport,
  type NetworkInfo,
  type NetworkRecord,
  type NetworkStructure,
  type NetworkText,
} from '../../shared/network.ts';
import { quantizePolicySchema } from '../../shared/policy.ts';
import { manifestSchema, quantizeParametersSchema, type Manifest } from '../../shared/run.ts';
import { describeNetwork, describeOwnNetwork, describeStructure, networkTitle } from '../network/describe.ts';
import { diffGraphs } from '../network/diff.ts';
import { graphFromJson, graphToJson, graphToText } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import { describeShape } from '../network/shape.ts';
import { networkIdOf, publishedOf, resolveNetwork } from '../network/zoo.ts';
import { exportNetwork, type CalibrationImages } from './export-network.ts';
import { importNetwork, readOnnxFile } from './networks.ts';
import { openTraining } from './workbench.ts';

/** A resolved reference, with the graph itself where the zoo does not have it. */
export const questionNetworkSchema = resolvedNetworkRefSchema.extend({ graphJson: z.unknown().optional() });

/** The graph that a question is about. */
export function graphOf(network: z.output<typeof questionNetworkSchema>): Graph {
  return network.graphJson === undefined ? resolveNetwork(network).graph : graphFromJson(network.graphJson);
}

/** A network of the user's with its graph; or a reference to one of the zoo's, which is built here: that of a large one takes its time. */
export const structureQuestionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('own'), id: z.string(), graphJson: z.unknown() }),
  z.object({
    kind: z.literal('zoo'),
    network: networkRefSchema,
    dataset: z.object({ shape: z.tuple([shapeSchema.element, shapeSchema.element, shapeSchema.element]), classes: z.number() }).nullable(),
  }),
]);
export type StructureQuestion = z.input<typeof structureQuestionSchema>;

const [ownQuestionSchema, zooQuestionSchema] = structureQuestionSchema.options;
export const showQuestionSchema = z.discriminatedUnion('kind', [
  ownQuestionSchema.extend({ source: z.string(), report: importReportSchema }),
  zooQuestionSchema,
]);
export type ShowQuestion = z.input<typeof showQuestionSchema>;
export const diffQuestionSchema = z.object({ first: structureQuestionSchema, second: structureQuestionSchema });
export type DiffQuestion = z.input<typeof diffQuestionSchema>;

const optionsSchema = z
  .object({ inputSize: z.tuple([z.number().int().positive(), z.number().int().positive()]), output: z.string() })
  .partial()
  .transform(({ inputSize, output }) => ({ ...(inputSize ? { inputSize } : {}), ...(output === undefined ? {} : { output }) }));
const readQuestionSchema = z.object({ path: z.string(), options: optionsSchema });
const importQuestionSchema = readQuestionSchema.extend({ dataDir: z.string(), id: networkIdSchema, source: z.string() });
const exportQuestionSchema = z.object({
  dataDir: z.string(),
  network: questionNetworkSchema,
  weights: z.string().nullable(),
  quantized: z.string().nullable(),
  path: z.string(),
  policy: quantizePolicySchema.nullable(),
  /** The run that the weights are from: its images calibrate, and its normalisation is told in the file. */
  trained: z.object({ dataset: datasetRecordSchema, manifest: manifestSchema }).nullable(),
  metadata: z.record(z.string(), z.string()),
  version: z.string(),
});

export async function answerRead(input: unknown): Promise<{ graph: unknown; report: ImportReport }> {
  const { path, options } = readQuestionSchema.parse(input);
  const { graph, producer, opset, notes, bits } = (await readOnnxFile(path, options)).network;
  return { graph: graphToJson(graph), report: { producer, opset, notes: [...notes], bits: [...bits] } };
}

export function answerShow(input: unknown): NetworkInfo {
  const question = showQuestionSchema.parse(input);
  if (question.kind === 'zoo') return describeNetwork(question.network, question.dataset ?? undefined);
  return describeOwnNetwork(question.id, graphFromJson(question.graphJson), question.source, question.report);
}

export function answerDiff(input: unknown): NetworkDiff {
  const { first, second } = diffQuestionSchema.parse(input);
  const [before, after] = [titled(first), titled(second)];
  return { first: before.title, second: after.title, ...diffGraphs(before.graph, after.graph) };
}

function titled(question: z.output<typeof structureQuestionSchema>): { readonly graph: Graph; readonly title: string } {
  if (question.kind === 'own') {
    const graph = graphFromJson(question.graphJson);
    return { graph, title: `${question.id}, ${describeShape(graph.inputShape)}` };
  }
  const { graph, ref } = resolveNetwork(question.network, question.dataset ?? undefined);
  return { graph, title: networkTitle(ref) };
}

export function answerStructure(input: unknown): NetworkStructure {
  const question = structureQuestionSchema.parse(input);
  if (question.kind === 'own') {
    const graph = graphFromJson(question.graphJson);
    return describeStructure(graph, question.id, `${question.id}, ${describeShape(graph.inputShape)}`, []);
  }
  const { graph, ref } = resolveNetwork(question.network, question.dataset ?? undefined);
  return describeStructure(graph, networkIdOf(ref), networkTitle(ref), publishedOf(ref));
}

export function answerText(input: unknown): NetworkText {
  const question = structureQuestionSchema.parse(input);
  const graph =
    question.kind === 'own' ? graphFromJson(question.graphJson) : resolveNetwork(question.network, question.dataset ?? undefined).graph;
  return { text: graphToText(graph), json: graphToJson(graph) };
}

export async function answerImport(input: unknown): Promise<NetworkRecord> {
  const { dataDir, id, path, source, options } = importQuestionSchema.parse(input);
  return await importNetwork({ dataDir, id, path, source }, options);
}

export async function answerExport(input: unknown): Promise<NetworkExport> {
  const question = exportQuestionSchema.parse(input);
  const graph = graphOf(question.network);
  const images = question.trained
    ? await trainingImages(graph, question.trained.dataset, question.trained.manifest, question.dataDir)
    : null;
  const { dataDir, weights, quantized, path, policy, version } = question;
  const metadata = { ...question.metadata, ...(images ? { 'lathe.inputMean': images.mean, 'lathe.inputStd': images.std } : {}) };
  const name = question.network.id;
  return await exportNetwork({ graph, dataDir, weights, quantized, path, policy, version, metadata, name, calibration: images });
}

/** Those that the run calibrates on, in the scale that it trains in. */
async function trainingImages(
  graph: Graph,
  record: DatasetRecord,
  manifest: Manifest,
  dataDir: string,
): Promise<CalibrationImages & { readonly mean: string; readonly std: string }> {
  const [height, width] = graph.inputShape;
  const { dataset, trainIndices, normalisation } = await openTraining(record, manifest, { dataDir, height, width });
  const search = manifest.method === 'quantize' ? manifest.search : quantizeParametersSchema.parse({});
  const { calibrationImages, statisticsImages, thresholds: rule, perChannel } = search;
  return {
    dataset,
    indices: trainIndices.slice(0, calibrationImages),
    statisticsImages,
    thresholds: { rule, perChannel },
    mean: JSON.stringify(normalisation.mean),
    std: JSON.stringify(normalisation.std),
  };
}
