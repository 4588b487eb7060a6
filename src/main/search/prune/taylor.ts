/**
 * How much the loss would change without a weight, to first order: (gradient * weight)^2, averaged over batches (Molchanov et al.
 * 2019, eq. 8). The gradients are those of training steps whose rate is zero: with no momentum the optimiser's velocity is the
 * gradient, and no weight moves.
 */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import { LatheError } from '../../../shared/errors.ts';
import { valuesOfState, type NetworkValues } from '../../network/values.ts';

const batchSize = 64;
const batches = 16;

/** Leaves the model as it was, its optimiser's state apart. `images` are training images. Throws LatheError cancelled. */
export async function taylorOf(
  model: NativeModel,
  dataset: NativeDataset,
  images: Uint32Array,
  control: NativeControl,
): Promise<NetworkValues> {
  const { parameters } = model.getState();
  const sums = new Float32Array(parameters.length);
  const size = Math.min(batchSize, images.length);
  const count = Math.min(batches, Math.floor(images.length / size));
  for (let batch = 0; batch < count; batch += 1) {
    await model.train({
      dataset,
      order: images.slice(batch * size, (batch + 1) * size),
      batchSize: size,
      learningRates: Float32Array.of(0),
      momentum: 0,
      weightDecay: 0,
      control,
    });
    if (control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
    const { momentum } = model.getState();
    momentum.forEach((gradient, at) => {
      sums[at] = (sums[at] ?? 0) + (gradient * (parameters[at] ?? 0)) ** 2 / count;
    });
  }
  model.setState(parameters); // batch norm's running statistics have moved
  return valuesOfState(model.parameters, sums);
}
