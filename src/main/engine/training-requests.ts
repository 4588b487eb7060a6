/** Questions about trainings: the memory one takes, the weights one has left. */
import { z } from 'zod';
import { createModel } from '../compute/index.ts';
import { toNativeProgram } from '../network/program.ts';
import { toSafetensors } from '../network/safetensors.ts';
import { loadState } from './checkpoint.ts';
import { foundNetwork } from './export-network.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';
import { quantizedSafetensors } from './quantized-network.ts';

const trainingQuestionSchema = z.object({
  network: questionNetworkSchema,
  batchSize: z.number().int().min(1),
  optimizer: z.enum(['sgd', 'adam']),
});
const weightsQuestionSchema = z.object({
  network: questionNetworkSchema,
  dataDir: z.string(),
  sha256: z.string(),
  form: z.enum(['float', 'quantized']), // of the blob and of the file
});

/** Bytes that training will hold at most, from the plan of its memory; nothing is used for the answer. */
export function answerTraining(input: unknown): { readonly memoryBytes: number } {
  const { network, batchSize, optimizer } = trainingQuestionSchema.parse(input);
  const model = createModel(toNativeProgram(graphOf(network)));
  return { memoryBytes: model.memoryBytes({ batch: batchSize, optimizer }).training };
}

/** The file's bytes, in base64: messages between processes are JSON. */
export async function answerWeights(input: unknown): Promise<string> {
  const { network, dataDir, sha256, form } = weightsQuestionSchema.parse(input);
  const graph = graphOf(network);
  const model = createModel(toNativeProgram(graph));
  const metadata = { network: network.id, layout: 'NHWC; weights are (out, height, width, in)' };
  if (form === 'quantized') return quantizedSafetensors(model, await foundNetwork(dataDir, sha256, graph), metadata).toString('base64');
  const { parameters } = await loadState(dataDir, sha256, 'weights');
  return toSafetensors(model.parameters, parameters, metadata).toString('base64');
}
