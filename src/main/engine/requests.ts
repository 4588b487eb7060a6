/** Short questions that need the addon: what it is, what a network costs. */
import { z } from 'zod';
import { networkRefSchema, type Simulation } from '../../shared/network.ts';
import { quantizePolicySchema } from '../../shared/policy.ts';
import type { Output } from '../../shared/contract.ts';
import { addonInfo } from '../compute/index.ts';
import { costTable } from '../hardware/cost-table.ts';
import { simulate } from '../hardware/simulate.ts';
import { findTarget } from '../hardware/targets.ts';
import { quantizableLayerInfos, networkTitle } from '../network/describe.ts';
import { resolveNetwork } from '../network/zoo.ts';
import { fromPolicy, lockedLayers, uniformBits } from '../search/quantize/bits.ts';

/** Resolved by the service: the network's variant is complete. */
export const simulateQuestionSchema = z.object({
  network: networkRefSchema.required(),
  target: z.string(),
  batch: z.number().int().positive().optional(),
  weightBits: z.number().int().min(1).max(8),
  activationBits: z.number().int().min(1).max(8),
  policy: quantizePolicySchema.optional(),
});
export const previewQuestionSchema = z.object({
  network: networkRefSchema.required(),
  target: z.string(),
  batch: z.number().int().positive().optional(),
  minimumBits: z.number().int().min(1).max(8),
  protectFirstAndLast: z.boolean(),
});

export async function answer(name: 'describe' | 'simulate' | 'preview', input: unknown): Promise<unknown> {
  switch (name) {
    case 'describe':
      return addonInfo();
    case 'simulate':
      return answerSimulate(simulateQuestionSchema.parse(input));
    case 'preview':
      return answerPreview(previewQuestionSchema.parse(input));
  }
}

function answerSimulate(question: z.output<typeof simulateQuestionSchema>): Simulation {
  const { graph, ref } = resolveNetwork(question.network);
  const { target } = findTarget(question.target);
  const names = quantizableLayerInfos(graph).map((layer) => layer.name);
  const bits = question.policy
    ? fromPolicy(names, question.policy)
    : { weightBits: names.map(() => question.weightBits), activationBits: names.map(() => question.activationBits) };
  return simulate({ graph, title: networkTitle(ref), target, batch: question.batch ?? target.defaultBatch, bits });
}

function answerPreview(question: z.output<typeof previewQuestionSchema>): Output<'run.preview'> {
  const { graph, ref } = resolveNetwork(question.network);
  const { target } = findTarget(question.target);
  const batch = question.batch ?? target.defaultBatch;
  const locked = lockedLayers(quantizableLayerInfos(graph).length, question.protectFirstAndLast);
  const { costOf } = costTable(graph, target, batch);
  const fewest = question.minimumBits;
  const widths = Array.from({ length: 8 - fewest + 1 }, (_, index) => 8 - index);
  return {
    network: networkTitle(ref),
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
