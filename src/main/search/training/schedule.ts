/** The learning rate of a step. Pure. */
import type { TrainingParameters } from '../../../shared/run.ts';

export interface TrainingLength {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
}

/** Steps of a whole training; the last incomplete batch of an epoch is left out. */
export function trainingLength(images: number, options: Pick<TrainingParameters, 'epochs' | 'batchSize'>): TrainingLength {
  const stepsPerEpoch = Math.floor(images / Math.min(options.batchSize, images));
  return { stepsPerEpoch, totalSteps: options.epochs * stepsPerEpoch };
}

/**
 * Linear warm-up to the peak, then the schedule: a cosine that reaches zero behind the last step (I. Loshchilov, F. Hutter,
 * arXiv 1608.03983, without restarts), a fall by `stepFactor` every `stepEpochs` epochs, or the peak throughout.
 */
export function learningRateAt(step: number, { stepsPerEpoch, totalSteps }: TrainingLength, options: TrainingParameters): number {
  const { learningRate, stepEpochs, stepFactor } = options;
  const warmup = Math.min(options.warmupSteps, totalSteps);
  if (step < warmup) return (learningRate * (step + 1)) / warmup;
  switch (options.schedule) {
    case 'cosine':
      return 0.5 * learningRate * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, totalSteps - warmup)));
    case 'step':
      return learningRate * stepFactor ** Math.floor(step / (stepEpochs * stepsPerEpoch));
    case 'constant':
      return learningRate;
  }
}
