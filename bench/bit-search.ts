/** Where the time of a search for bits goes: the parts of one trial on MobileNet-V1 0.25 at 32 x 32 with 10,000 reward images, and 600 of them. */
import { Random } from '../src/shared/random.ts';
import { quantizeParametersSchema } from '../src/shared/run.ts';
import { createControl, createDataset, createMlp, createModel, setThreads } from '../src/main/compute/index.ts';
import { costTable } from '../src/main/hardware/cost-table.ts';
import { findTarget } from '../src/main/hardware/targets.ts';
import { quantizableLayerInfos } from '../src/main/network/describe.ts';
import { initialParameters, toNativeProgram } from '../src/main/network/program.ts';
import { resolveNetwork } from '../src/main/network/zoo.ts';
import { Evaluator } from '../src/main/search/evaluator.ts';
import { lockedLayers, uniformBits, type BitVector } from '../src/main/search/quantize/bits.ts';
import { QuantizeSearch } from '../src/main/search/quantize/search.ts';

export const bitSearchName = 'bit search';
const side = 32;
const rewardImages = 10_000;
const calibrationImages = 512;
const statisticsImages = 256;
const trials = 600;
/** Of the agent alone, with an accuracy that costs nothing: enough for its replay to be full and its updates to run. */
const agentTrials = 40;

export interface Part {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string; // empty: none
}

/** With two threads, as the goal is said for. */
export async function measureBitSearch(): Promise<Part[]> {
  setThreads(2);
  const random = Random.fromSeed(1);
  const { graph } = resolveNetwork({ id: 'mobilenet-v1', width: 0.25, inputSize: side, inputChannels: 1, classes: 10 });
  const model = createModel(toNativeProgram(graph));
  model.setState(initialParameters(model.parameters, random.derive('weights')));
  const count = rewardImages + calibrationImages;
  const images = Uint8Array.from({ length: count * side * side }, () => random.uniformInt(0, 255));
  const dataset = createDataset({ images, labels: new Uint8Array(count), height: side, width: side, channels: 1, mean: [0.5], std: [0.5] });
  const indices = Uint32Array.from({ length: count }, (_, image) => image);
  const layers = quantizableLayerInfos(graph);
  const locked = lockedLayers(layers.length, true);
  const bits = uniformBits(5, 4, locked);
  const evaluator = async (statistics: number): Promise<Evaluator> => {
    const made = new Evaluator(model, dataset, createControl());
    await made.calibrate(indices.slice(rewardImages), statistics);
    return made;
  };
  const [without, whole] = [await evaluator(0), await evaluator(statisticsImages)];
  const reward = indices.slice(0, rewardImages);
  const evaluationMs = await fastestMs(() => without.measure(reward, bits));
  const trialMs = await fastestMs(() => whole.measure(reward, bits));
  const agentMs = await agentMsOf(layers, graph);
  return [
    { work: `${bitSearchName}: accuracy of a policy on 10,000 images`, value: evaluationMs, unit: 'ms', goal: '' },
    { work: `${bitSearchName}: batch-norm statistics of 256 images`, value: Math.max(0, trialMs - evaluationMs), unit: 'ms', goal: '' },
    { work: `${bitSearchName}: agent, budgets and costs, a trial`, value: agentMs, unit: 'ms', goal: '' },
    { work: `${bitSearchName}: 600 trials, by these`, value: (trials * (trialMs + agentMs)) / 60_000, unit: 'min', goal: 'under 8' },
  ];
}

/** Of a trial whose accuracy costs nothing, behind the warm-up. */
async function agentMsOf(
  layers: ReturnType<typeof quantizableLayerInfos>,
  graph: ReturnType<typeof resolveNetwork>['graph'],
): Promise<number> {
  const { target } = findTarget('bismo-cloud');
  const { costOf } = costTable(graph, target, target.defaultBatch);
  const limit = costOf(uniformBits(4, 4, lockedLayers(layers.length, true))).latencyMs;
  const parameters = quantizeParametersSchema.parse({ trials, agent: { warmupTrials: 4 } });
  const accuracyOf = ({ weightBits }: BitVector): number => weightBits.reduce((sum, width) => sum + width, 0) / (8 * weightBits.length);
  const readingsOf = (policies: readonly BitVector[]): Promise<{ accuracy: number; loss: number }[]> =>
    Promise.resolve(policies.map((bits) => ({ accuracy: accuracyOf(bits), loss: 0 })));
  const search = new QuantizeSearch(
    { layers, costOf, readingsOf, now: () => 0 },
    parameters,
    [{ resource: 'latency', kind: 'absolute', value: limit }],
    [],
    1,
    Random.fromSeed(2),
    createMlp,
  );
  while (search.step < agentTrials / 2) await search.trial();
  const begun = performance.now();
  while (search.step < agentTrials) await search.trial();
  return (performance.now() - begun) / (agentTrials / 2);
}

/** Of three. */
async function fastestMs(work: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const begun = performance.now();
    await work();
    best = Math.min(best, performance.now() - begun);
  }
  return best;
}
