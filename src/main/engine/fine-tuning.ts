/** How quantized networks are fine-tuned: the same images in the same order for every policy, so that policies differ by their bits alone. */
import type { QuantizeManifest } from '../../shared/run.ts';
import type { FineTuning } from '../search/training/quantized-training.ts';
import type { Workbench } from './workbench.ts';

/** Of SGD, and of the learned activation ranges. */
const momentum = 0.9;

/** Images a step: as in the float network's training, where there are that many. */
export function tuningBatch({ trainImages }: Workbench, { training }: QuantizeManifest): number {
  return Math.min(training.batchSize, trainImages.length);
}

/** `steps` of quantized training at `finetuneRate`, along a cosine to zero. */
export function fineTuning(bench: Workbench, manifest: QuantizeManifest, steps: number): FineTuning {
  const { search, training } = manifest;
  const batchSize = tuningBatch(bench, manifest);
  const random = bench.random.derive('fine-tuning');
  const images = new Uint32Array(steps * batchSize);
  for (let epoch = 0, done = 0; done < images.length; epoch += 1) {
    for (const position of random.derive(`epoch ${String(epoch)}`).permutation(bench.trainImages.length)) {
      if (done === images.length) break;
      images[done] = bench.trainImages[position] ?? 0;
      done += 1;
    }
  }
  return {
    images,
    batchSize,
    learningRates: Float32Array.from({ length: steps }, (_, step) => (search.finetuneRate * (1 + Math.cos((Math.PI * step) / steps))) / 2),
    momentum,
    weightDecay: training.weightDecay,
    seed: random.derive('draws').uint32(),
  };
}
