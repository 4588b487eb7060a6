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
  const { first, second } = splitOff(labels, images, Random.fromSeed(seed).derive('validation split'));
  return { trainIndices: first, validationIndices: second };
}

/**
 * The split of a data set that names its validation images: the last `given` of its training part. `images` of them are
 * used, all others are left alone; both orders are decided by the seed. Throws LatheError bad-input when more are asked for.
 */
export function givenValidation(count: number, given: number, images: number, seed: number): ValidationSplit {
  if (!Number.isInteger(images) || images < 1 || images > given) {
    throw new LatheError(
      'bad-input',
      `validation images: the data set names ${given} for validation, found ${images}; ask for at most as many`,
    );
  }
  const random = Random.fromSeed(seed).derive('validation split');
  const range = (from: number, length: number): Uint32Array => Uint32Array.from({ length }, (_, index) => from + index);
  return {
    trainIndices: random.shuffle(range(0, count - given)),
    validationIndices: random.shuffle(range(count - given, given)).slice(0, images),
  };
}

/** Splits `images` off as `second`, class by class in proportion (largest remainders); both in random order. */
export function splitOff(
  labels: Uint8Array,
  images: number,
  random: Random,
): { readonly first: Uint32Array; readonly second: Uint32Array } {
  const order = random.permutation(labels.length);
  const quotas = quotasOf(labels, images);
  const first = new Uint32Array(labels.length - images);
  const second = new Uint32Array(images);
  let kept = 0;
  let taken = 0;
  for (const index of order) {
    const label = labels[index] ?? 0;
    const left = quotas[label] ?? 0;
    if (left > 0) {
      quotas[label] = left - 1;
      second[taken++] = index;
    } else {
      first[kept++] = index;
    }
  }
  // The images of a class run out early or late in `order`; shuffled again, a beginning of either part is a fair sample.
  return { first: random.shuffle(first), second: random.shuffle(second) };
}

/** Images of each class to split off: the whole part of its share, then one more for the largest remainders, lower class first. */
function quotasOf(labels: Uint8Array, images: number): number[] {
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
