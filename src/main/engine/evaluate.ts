/** A trained network evaluated at chosen bits, in float, fake-quantized or integer arithmetic: an answer, not a run. */
import { z } from 'zod';
import { datasetRecordSchema } from '../../shared/dataset.ts';
import { LatheError } from '../../shared/errors.ts';
import { evaluateRequestSchema, type Evaluation } from '../../shared/evaluate.ts';
import { resolvedNetworkRefSchema } from '../../shared/network.ts';
import { createControl, createDataset, createModel, setThreads } from '../compute/index.ts';
import { openTestSplit } from '../data/datasets.ts';
import { networkTitle, quantizableLayerInfos } from '../network/describe.ts';
import { graphSha256 } from '../network/graph-form.ts';
import { toNativeProgram } from '../network/program.ts';
import { Evaluator } from '../search/evaluator.ts';
import { fromPolicy, toPolicy, type BitVector } from '../search/quantize/bits.ts';
import { loadState } from './checkpoint.ts';
import type { RequestWork } from './dataset-requests.ts';
import { openGraph } from './networks.ts';
import { openTraining } from './workbench.ts';

/** Resolved by the service: the network's variant is complete, the weights are a run's. */
export const evaluateQuestionSchema = evaluateRequestSchema
  .omit({ weights: true, dataset: true })
  .extend({
    network: resolvedNetworkRefSchema,
    dataset: datasetRecordSchema,
    dataDir: z.string(),
    run: z.string(),
    weights: z.string(),
    validation: z.object({ images: z.number().int().positive(), seed: z.number().int() }),
    threads: z.number().int().positive(),
  })
  .strict();
export type EvaluateQuestion = z.output<typeof evaluateQuestionSchema>;

export async function answerEvaluate(input: unknown, { signal }: RequestWork): Promise<Evaluation> {
  const question = evaluateQuestionSchema.parse(input);
  const graph = await openGraph(question.dataDir, question.network);
  const title = networkTitle(question.network, graph.inputShape);
  const names = quantizableLayerInfos(graph).map((layer) => layer.name);
  const bits = bitsOf(question, names);
  const blob = await loadState(question.dataDir, question.weights, 'weights');
  if (blob.networkSha256 !== graphSha256(graph)) {
    throw new LatheError(
      'bad-input',
      `weights ${question.weights.slice(0, 12)}: expected those of ${title}, found another network's; give the network and variant of run ${question.run}`,
    );
  }
  setThreads(question.threads);
  const model = createModel(toNativeProgram(graph));
  model.setState(blob.parameters);

  const [height, width] = graph.inputShape;
  const options = { dataDir: question.dataDir, height, width, signal };
  const training = await openTraining(question.dataset, question, options);
  const control = createControl();
  signal.addEventListener('abort', () => {
    control.cancel();
  });
  const evaluator = new Evaluator(model, training.dataset, control);
  if (bits) {
    const images = training.trainIndices.slice(0, question.calibrationImages);
    const { thresholds: rule, percentile, perChannel } = question;
    await evaluator.calibrate(images, Math.min(question.statisticsImages, images.length), { rule, percentile, perChannel });
  }
  let tester = evaluator;
  let indices = training.validationIndices;
  if (question.split === 'test') {
    const test = await openTestSplit(question.dataset, options);
    tester = evaluator.on(createDataset({ ...test, ...training.normalisation }));
    indices = Uint32Array.from(test.labels, (_, index) => index);
  }
  const startMs = performance.now();
  const {
    accuracy,
    top5Accuracy,
    loss: meanLoss,
  } = await tester.measure(indices, bits ?? undefined, question.arithmetic === 'integer' ? 'integer' : 'fake');
  return {
    network: title,
    dataset: question.dataset.id,
    run: question.run,
    weights: question.weights,
    arithmetic: question.arithmetic,
    split: question.split,
    images: indices.length,
    accuracy,
    top5Accuracy,
    meanLoss,
    layers: bits ? toPolicy(names, bits).layers : null,
    seconds: (performance.now() - startMs) / 1000,
  };
}

function bitsOf({ arithmetic, policy, weightBits, activationBits }: EvaluateQuestion, names: readonly string[]): BitVector | null {
  if (arithmetic === 'float') return null;
  if (policy) return fromPolicy(names, policy);
  return { weightBits: names.map(() => weightBits), activationBits: names.map(() => activationBits) };
}
