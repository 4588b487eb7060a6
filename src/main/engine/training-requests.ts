/** Questions about trainings: the memory one takes, the weights one has left. */
import { z } from 'zod';
import { createModel } from '../compute/index.ts';
import { toNativeProgram } from '../network/program.ts';
import { toSafetensors } from '../network/safetensors.ts';
import { loadState } from './checkpoint.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';

const trainingQuestionSchema = z.object({
  network: questionNetworkSchema,
  batchSize: z.number().int().min(1),
  optimizer: z.enum(['sgd', 'adam']),
});
const weightsQuestionSchema = z.object({ network: questionNetworkSchema, dataDir: z.string(), sha256: z.string() });

/** Bytes that training will hold at most, from the plan of its memory; nothing is used for the answer. */
export function answerTraining(input: unknown): { readonly memoryBytes: number } {
  const { network, batchSize, optimizer } = trainingQuestionSchema.parse(input);
  const model = createModel(toNativeProgram(graphOf(network)));
  return { memoryBytes: model.memoryBytes({ batch: batchSize, optimizer }).training };
}

/** The file's bytes, in base64: messages between processes are JSON. */
export async function answerWeights(input: unknown): Promise<string> {
  const { network, dataDir, sha256 } = weightsQuestionSchema.parse(input);
  const { parameters } = await loadState(dataDir, sha256, 'weights');
  const { parameters: layout } = createModel(toNativeProgram(graphOf(network)));
  const metadata = { network: network.id, layout: 'NHWC; weights are (out, height, width, in)' };
  return toSafetensors(layout, parameters, metadata).toString('base64');
}
