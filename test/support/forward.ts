/** The forward pass of a model on float inputs (batch, H, W, C), where this build's executor gives one. */
import { Model } from '../../src/main/compute/model.ts';

interface WithForward {
  forward(options: { readonly inputs: Float32Array; readonly batch: number }): Promise<Float32Array>;
}

function hasForward(model: unknown): model is WithForward {
  return typeof model === 'object' && model !== null && 'forward' in model;
}

export const canForward = hasForward(Model.prototype);
if (!canForward)
  console.warn('skipped: comparisons with our own forward pass, which this build of the executor does not give for float inputs');

export async function forward(model: Model, options: { readonly inputs: Float32Array; readonly batch: number }): Promise<Float32Array> {
  if (!hasForward(model)) throw new Error('this build has no forward pass for float inputs');
  return await model.forward(options);
}
