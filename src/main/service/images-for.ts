/** How many images a run validates, rewards and calibrates on where the request does not say: the usual numbers, fitted to the data set. */
import type { DatasetRecord } from '../../shared/dataset.ts';
import { quantizeParametersSchema, type QuantizeParameters } from '../../shared/run.ts';

type Given = { readonly [K in keyof QuantizeParameters]?: QuantizeParameters[K] | undefined };

/** Without validation images of its own, at most this part of a data set validates by default. */
const largestValidation = 0.2;

interface Images {
  readonly validationImages: number;
  readonly trainingImages: number; // what they leave; not below 0
  readonly rewardImages: number;
  readonly calibrationImages: number;
  readonly statisticsImages: number;
}

/** Every absent number of images filled in; what is given stays as it is. */
export function imagesFor(dataset: Pick<DatasetRecord, 'train' | 'validation'>, given: Given): Images {
  const usual = quantizeParametersSchema.parse({});
  const validationImages =
    given.validationImages ??
    dataset.validation?.images ??
    Math.max(1, Math.min(usual.validationImages, Math.floor(largestValidation * dataset.train)));
  const rewardImages = given.rewardImages ?? Math.min(usual.rewardImages, validationImages);
  const heldOut = dataset.validation?.given === true ? dataset.validation.images : validationImages;
  const trainingImages = Math.max(0, dataset.train - heldOut);
  const calibrationImages = given.calibrationImages ?? Math.max(1, Math.min(usual.calibrationImages, trainingImages));
  const statistics = Math.min(usual.statisticsImages, calibrationImages);
  return {
    validationImages,
    trainingImages,
    rewardImages,
    calibrationImages,
    statisticsImages: given.statisticsImages ?? (statistics < 2 ? 0 : statistics),
  };
}
