/** How many images a run validates, rewards and calibrates on where the request does not say: the usual numbers, fitted to the data set. */
import type { DatasetRecord } from '../../shared/dataset.ts';
import { quantizeParametersSchema, type QuantizeParameters } from '../../shared/run.ts';

type Given = { readonly [K in keyof QuantizeParameters]?: QuantizeParameters[K] | undefined };

/** Without validation images of its own, at most this part of a data set validates by default. */
const largestValidation = 0.2;

/** The parameters with every absent number of images filled in; what is given stays as it is. */
export function imagesFor(dataset: Pick<DatasetRecord, 'train' | 'validation'>, given: Given): Given {
  const usual = quantizeParametersSchema.parse({});
  const validationImages =
    given.validationImages ??
    dataset.validation?.images ??
    Math.max(1, Math.min(usual.validationImages, Math.floor(largestValidation * dataset.train)));
  const rewardImages = given.rewardImages ?? Math.min(usual.rewardImages, validationImages);
  const training = dataset.train - (dataset.validation?.given === true ? dataset.validation.images : validationImages);
  const calibrationImages = given.calibrationImages ?? Math.max(1, Math.min(usual.calibrationImages, training));
  const statistics = Math.min(usual.statisticsImages, calibrationImages);
  return {
    ...given,
    validationImages,
    rewardImages,
    calibrationImages,
    statisticsImages: given.statisticsImages ?? (statistics < 2 ? 0 : statistics),
  };
}
