/** What an engine is asked: what the addon is, what a network costs, and all that reads images (`dataset-requests.ts`). */
import { answerReadBundle, answerWriteBundle } from './bundle-requests.ts';
import { z } from 'zod';
import { bitsSchema, quantizePolicySchema } from '../../shared/policy.ts';
import type { Output } from '../../shared/contract.ts';
import type { RequestName } from '../../shared/engine-messages.ts';
import type { Finding, Simulation, Timeline } from '../../shared/simulation.ts';
import { targetSchema } from '../../shared/target.ts';
import { addonInfo } from '../compute/index.ts';
import { costTable } from '../hardware/cost-table.ts';
import { lint } from '../hardware/lint.ts';
import { simulate, timeline } from '../hardware/simulate.ts';
import { quantizableLayerInfos, networkTitle } from '../network/describe.ts';
import type { Graph } from '../network/graph.ts';
import { answerAdd, answerInspect, answerSamples, answerSheet, type RequestWork } from './dataset-requests.ts';
import { answerEvaluate } from './evaluate.ts';
import { answerPrunePreview } from './prune-requests.ts';
import { answerHostNetwork, answerHostOperators, answerKeys, answerSimulateTable, describeHost } from './table-building.ts';
import { answerCoverage, answerFit, answerPredict, answerReadTable, answerWriteTable } from './table-requests.ts';
import { answerSpace } from './space-requests.ts';
import { answerTraining, answerWeights } from './training-requests.ts';
import { fromPolicy, lockedLayers, uniformBits } from '../search/quantize/bits.ts';
import {
  answerDiff,
  answerExport,
  answerImport,
  answerRead,
  answerShow,
  answerStructure,
  answerText,
  graphOf,
  questionNetworkSchema,
} from './network-requests.ts';

/** Resolved by the service: the network's variant is complete, the target is there as a whole. */
const networkOnTarget = {
  network: questionNetworkSchema,
  target: targetSchema,
  batch: z.number().int().positive().optional(),
};
export const simulateQuestionSchema = z.object({
  ...networkOnTarget,
  weightBits: bitsSchema,
  activationBits: bitsSchema,
  policy: quantizePolicySchema.optional(),
});
type SimulateQuestion = z.output<typeof simulateQuestionSchema>;
export const timelineQuestionSchema = z.object({
  ...networkOnTarget,
  layer: z.string(),
  weightBits: bitsSchema,
  activationBits: bitsSchema,
  fromTile: z.number().int(),
  tiles: z.number().int(),
});
export const previewQuestionSchema = z.object({
  ...networkOnTarget,
  minimumBits: bitsSchema,
  protectFirstAndLast: z.boolean(),
});

export async function answer(name: RequestName, input: unknown, work: RequestWork): Promise<unknown> {
  switch (name) {
    case 'describe':
      return addonInfo();
    case 'simulate':
      return answerSimulate(simulateQuestionSchema.parse(input)).simulation;
    case 'lint':
      return answerLint(simulateQuestionSchema.parse(input));
    case 'timeline':
      return answerTimeline(timelineQuestionSchema.parse(input));
    case 'preview':
      return answerPreview(previewQuestionSchema.parse(input));
    case 'prune.preview':
      return answerPrunePreview(input);
    case 'evaluate':
      return await answerEvaluate(input, work);
    case 'dataset.inspect':
      return await answerInspect(input, work);
    case 'dataset.add':
      return await answerAdd(input, work);
    case 'dataset.samples':
      return await answerSamples(input);
    case 'dataset.sheet':
      return await answerSheet(input, work);
    case 'bundle.write':
      return await answerWriteBundle(input);
    case 'bundle.read':
      return await answerReadBundle(input);
    case 'network.read':
      return await answerRead(input);
    case 'network.show':
      return answerShow(input);
    case 'network.diff':
      return answerDiff(input);
    case 'network.structure':
      return answerStructure(input);
    case 'network.text':
      return answerText(input);
    case 'network.import':
      return await answerImport(input);
    case 'network.export':
      return await answerExport(input);
    case 'table.read':
      return await answerReadTable(input);
    case 'table.write':
      return answerWriteTable(input);
    case 'table.predict':
      return answerPredict(input);
    case 'table.coverage':
      return answerCoverage(input);
    case 'table.fit':
      return answerFit(input);
    case 'space':
      return answerSpace(input);
    case 'table.keys':
      return answerKeys(input);
    case 'table.simulate':
      return answerSimulateTable(input);
    case 'host.describe':
      return describeHost();
    case 'host.operators':
      return await answerHostOperators(input, work);
    case 'host.network':
      return await answerHostNetwork(input, work);
    case 'training':
      return answerTraining(input);
    case 'weights':
      return await answerWeights(input);
  }
}

function answerSimulate(question: SimulateQuestion): { graph: Graph; simulation: Simulation } {
  const graph = graphOf(question.network);
  const { target } = question;
  const names = quantizableLayerInfos(graph).map((layer) => layer.name);
  const bits = question.policy
    ? fromPolicy(names, question.policy)
    : { weightBits: names.map(() => question.weightBits), activationBits: names.map(() => question.activationBits) };
  const batch = question.batch ?? target.defaultBatch;
  return { graph, simulation: simulate({ graph, title: networkTitle(question.network, graph.inputShape), target, batch, bits }) };
}

function answerLint(question: SimulateQuestion): Finding[] {
  const { graph, simulation } = answerSimulate(question);
  return lint(graph, question.target, simulation);
}

function answerTimeline({ network, batch, ...question }: z.output<typeof timelineQuestionSchema>): Timeline {
  const graph = graphOf(network);
  return timeline({ ...question, graph, batch: batch ?? question.target.defaultBatch });
}

function answerPreview(question: z.output<typeof previewQuestionSchema>): Output<'run.preview'> {
  const graph = graphOf(question.network);
  const { target } = question;
  const batch = question.batch ?? target.defaultBatch;
  const locked = lockedLayers(quantizableLayerInfos(graph).length, question.protectFirstAndLast);
  const { costOf } = costTable(graph, target, batch);
  const fewest = question.minimumBits;
  const widths = Array.from({ length: 8 - fewest + 1 }, (_, index) => 8 - index);
  return {
    network: networkTitle(question.network, graph.inputShape),
    batch,
    reference: costOf(uniformBits(8, 8, locked)),
    least: costOf(uniformBits(fewest, fewest, locked)),
    uniform: widths.map((bits) => ({
      ...costOf(uniformBits(bits, bits, locked)),
      label: `w${String(bits)}a${String(bits)}`,
      weightBits: bits,
      activationBits: bits,
    })),
  };
}
