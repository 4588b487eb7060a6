/** What the studies of HAQ have in common: the networks, the budgets and the size of a search. */
import type { NetworkRef } from '../../../shared/network.ts';
import type { QuantizeRequest, RunRequest } from '../../../shared/run.ts';
import type { StudyPreset } from '../../../shared/study.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { StudyWorld } from './definition.ts';

export const dataset = 'fashion-mnist';
/** The budgets of the tables: the latency of so many uniform bits. */
export const budgetBits = ['4', '5', '6'] as const;
export const targets = ['bitfusion', 'bismo-edge', 'bismo-cloud'] as const;
export const mobilenetV1: NetworkRef = { id: 'mobilenet-v1', width: 0.25 };
export const mobilenetV2: NetworkRef = { id: 'mobilenet-v2', width: 0.25 };

/** What a preset says to a person; the same for all of these studies. */
export const presetWords: Readonly<Record<StudyPreset, string>> = {
  quick: 'width 0.25, Fashion-MNIST, 2 epochs of training, 160 trials, one seed',
  full: 'width 0.25, Fashion-MNIST, 4 epochs of training, 400 trials, three seeds',
};

export const seedsOf: Readonly<Record<StudyPreset, readonly number[]>> = { quick: [1], full: [1, 2, 3] };

const searchOf: Readonly<Record<StudyPreset, NonNullable<QuantizeRequest['search']>>> = {
  quick: { trials: 160, rewardImages: 1000 },
  full: { trials: 400 },
};
const epochsOf: Readonly<Record<StudyPreset, number>> = { quick: 2, full: 4 };

/** A search at the latency that uniform bits have on the target, protected layers at 8 bits in both. */
export async function searchAt(
  world: StudyWorld,
  preset: StudyPreset,
  network: NetworkRef,
  target: string,
  bits: string,
  seed: number,
): Promise<Extract<RunRequest, { method: 'quantize' }>> {
  const { uniform } = await world.preview({ network, dataset, target });
  const cost = uniform.find(({ label }) => label === `w${bits}a${bits}`);
  if (!cost) throw new LatheError('internal', `no uniform policy of ${bits} bits on ${target}`);
  return {
    method: 'quantize',
    network,
    dataset,
    target,
    budgets: [{ resource: 'latency', kind: 'absolute', value: cost.latencyMs }],
    seed,
    training: { epochs: epochsOf[preset] },
    search: searchOf[preset],
  };
}

/** Why these figures are not the published ones. */
export const differences =
  'Ours: width 0.25 on Fashion-MNIST at 32 x 32, without fine-tuning; latency of the whole network. Published: width 1 on ImageNet, fine-tuned, first convolution and classifier left out. Compare order and ratios, not values.';
