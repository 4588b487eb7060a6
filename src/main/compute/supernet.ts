/** A supernet in the addon. Every argument is checked here, before C++ sees it. */
import type {
  NativeGatesOptions,
  NativeGatesResult,
  NativeModelState,
  NativeOp,
  NativeParameter,
  NativeProgram,
  NativeSupernet,
  NativeSupernetTrainOptions,
  NativeTrainResult,
} from './addon.ts';
import { checkFinite, checkIndices, checkInteger, checkLength, fail } from './check.ts';
import { factsOf } from './dataset.ts';
import { loadAddon } from './load.ts';
import { trainSettings } from './model.ts';
import { guard, guardAsync } from './native-error.ts';
import { checkProgram } from './program-check.ts';

/** As NativeSupernet, with arguments checked. Errors are LatheErrors. */
export class Supernet implements NativeSupernet {
  readonly parameters: readonly NativeParameter[];
  readonly #native: NativeSupernet;
  readonly #parameterCount: number;
  readonly #checked = new WeakSet<NativeProgram>();

  /** Throws LatheError: bad-input where two operators have one name; unavailable without the addon. */
  constructor(ops: readonly NativeOp[]) {
    this.#native = guard(() => new (loadAddon().Supernet)(ops));
    this.parameters = this.#native.parameters;
    this.#parameterCount = this.parameters.reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
  }

  /** Throws LatheError: conflict while a call runs. */
  getState(): NativeModelState {
    return guard(() => this.#native.getState());
  }

  /** Throws LatheError: bad-input, or conflict while a call runs. Without momentum it starts from zeros. */
  setState(parameters: Float32Array, momentum?: Float32Array): void {
    for (const [name, values] of Object.entries({ parameters, momentum })) {
      if (!values) continue;
      checkLength(name, values.length, this.#parameterCount, 'the parameters of the supernet');
      checkFinite(name, values);
    }
    guard(() => this.#native.setState(parameters, momentum));
  }

  /** A step a path. A cancel resolves with fewer `stepsDone`. Rejects with LatheError: bad-input (an argument, or the training diverged), conflict. */
  async train(options: NativeSupernetTrainOptions): Promise<Omit<NativeTrainResult, 'quantized'>> {
    const { dataset, order, batchSize, learningRates, paths, control } = options;
    checkInteger('batchSize', batchSize, 1, 65_536);
    checkLength('order', order.length, learningRates.length * batchSize, `${learningRates.length} steps of ${batchSize} images`);
    checkIndices('order', order, factsOf(dataset).count);
    checkFinite('learningRates', learningRates);
    checkLength('paths', paths.length, learningRates.length, 'one a step');
    for (const path of paths) this.#checkPath(path);
    const settings = trainSettings(options);
    return guardAsync(() =>
      this.#native.train({ dataset, order, batchSize, learningRates, paths, ...settings, ...(control ? { control } : {}) }),
    );
  }

  /** Loss of a batch on a path and the gradients of its edges' gates; nothing is changed. Rejects as `train`. */
  async gates(options: NativeGatesOptions): Promise<NativeGatesResult> {
    const { dataset, order, path, edges, control } = options;
    checkInteger('the number of images', order.length, 1, 65_536);
    checkIndices('order', order, factsOf(dataset).count);
    this.#checkPath(path);
    return guardAsync(() => this.#native.gates({ dataset, order, path, edges, ...(control ? { control } : {}) }));
  }

  #checkPath(path: NativeProgram): void {
    if (this.#checked.has(path)) return;
    checkProgram(path);
    if (path.ops.some(({ kind }) => kind === 'softmax')) fail('a path must end in logits, found softmax');
    this.#checked.add(path);
  }
}

/** Throws LatheError: bad-input where two operators have one name; unavailable without the addon. */
export function createSupernet(ops: readonly NativeOp[]): Supernet {
  return new Supernet(ops);
}
