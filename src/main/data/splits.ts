/**
 * Training and validation images: both are split off a data set's training part. The test part has a function of its own
 * (`openTestSplit`), so that nothing that searches can come upon it by an index.
 */
import { LatheError } from '../../shared/errors.ts';
import { Random } from '../../shared/random.ts';

export interface ValidationSplit {
  readonly trainIndices: Uint32Array; // both in random order: a beginning of either is a random sample
  readonly validationIndices: Uint32Array;
}

/**
 * Splits `images` validation images off, class by class in proportion (largest remainders), by a seed of its own. The two
 * parts have no image in common and together are all. Throws LatheError bad-input unless both parts get an image.
 */
export function splitValidation(labels: Uint8Array, images: number, seed: number): ValidationSplit {
  if (!Number.isInteger(images) || images < 1 || images >= labels.length) {
    throw new LatheError(
      'bad-input',
      `validation images: expected from 1 to ${labels.length - 1} of the ${labels.length} training images, found ${images}`,
    );
  }
  const random = Random.fromSeed(seed).derive('validation split');
  const order = random.permutation(labels.length);
  const quotas = validationQuotas(labels, images);
  const trainIndices = new Uint32Array(labels.length - images);
  const validationIndices = new Uint32Array(images);
  let trained = 0;
  let validated = 0;
  for (const index of order) {
    const label = labels[index] ?? 0;
    const left = quotas[label] ?? 0;
    if (left > 0) {
      quotas[label] = left - 1;
      validationIndices[validated++] = index;
    } else {
      trainIndices[trained++] = index;
    }
  }
  // The images of a class run out early or late in `order`; shuffled again, a beginning of either part is a fair sample.
  return { trainIndices: random.shuffle(trainIndices), validationIndices: random.shuffle(validationIndices) };
}

/** Validation images of each class: the whole part of its share, then one more for the largest remainders, lower class first. */
function validationQuotas(labels: Uint8Array, images: number): number[] {
  const counts = new Array<number>(256).fill(0);
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  const shares = counts.map((count) => (count * images) / labels.length);
  const quotas = shares.map(Math.floor);
  const missing = images - quotas.reduce((sum, quota) => sum + quota, 0);
  const byRemainder = shares
    .map((share, label) => ({ label, remainder: share - Math.floor(share) }))
    .sort((a, b) => b.remainder - a.remainder || a.label - b.label);
  for (const { label } of byRemainder.slice(0, missing)) quotas[label] = (quotas[label] ?? 0) + 1;
  return quotas;
}
