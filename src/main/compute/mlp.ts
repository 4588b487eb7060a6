/** An agent's dense network in the addon. Every argument is checked here, before C++ sees it. */
import type { NativeMlp } from './addon.ts';
import { checkFinite, checkInteger, checkLength, checkNumber, fail } from './check.ts';
import { guard } from './native-error.ts';
import { loadAddon } from './load.ts';

const natives = new WeakMap<NativeMlp, NativeMlp>();

/** As NativeMlp, with arguments checked. Errors are LatheErrors: bad-input. */
export class Mlp implements NativeMlp {
  readonly sizes: readonly number[];
  readonly parameterCount: number;
  readonly #native: NativeMlp;
  #batch = 0; // of the last forward

  /** `sizes` from input to output; `output` is the last layer's activation. Everything starts at zero. */
  constructor(sizes: readonly number[], output: 'linear' | 'sigmoid') {
    if (sizes.length < 2) fail(`sizes must name input and output at least, found ${sizes.length}`);
    sizes.forEach((size, index) => checkInteger(`sizes[${index}]`, size, 1, 65_536));
    this.sizes = [...sizes];
    this.#native = guard(() => new (loadAddon().Mlp)({ sizes: this.sizes, output }));
    this.parameterCount = this.#native.parameterCount;
    natives.set(this, this.#native);
  }

  getParameters(): Float32Array {
    return this.#native.getParameters();
  }

  setParameters(values: Float32Array): void {
    this.#checkParameters('values', values);
    this.#native.setParameters(values);
  }

  getOptimizer(): { readonly firstMoment: Float32Array; readonly secondMoment: Float32Array; readonly steps: number } {
    return this.#native.getOptimizer();
  }

  setOptimizer(state: { readonly firstMoment: Float32Array; readonly secondMoment: Float32Array; readonly steps: number }): void {
    this.#checkParameters('firstMoment', state.firstMoment);
    this.#checkParameters('secondMoment', state.secondMoment);
    checkInteger('steps', state.steps, 0, 2 ** 31 - 1);
    this.#native.setOptimizer(state);
  }

  /** x is (batch, in); returns (batch, out). */
  forward(x: Float32Array, batch: number): Float32Array {
    checkInteger('batch', batch, 1, 65_536);
    const inputs = this.sizes[0] ?? 0;
    checkLength('x', x.length, batch * inputs, `${batch} rows of ${inputs}`);
    const y = guard(() => this.#native.forward(x, batch));
    this.#batch = batch;
    return y;
  }

  /** dOutput is (batch, out), of the last `forward`; returns the gradient of x, (batch, in). */
  backward(dOutput: Float32Array): Float32Array {
    if (this.#batch === 0) fail('backward must follow a forward, found none before it');
    const outputs = this.sizes.at(-1) ?? 0;
    checkLength('dOutput', dOutput.length, this.#batch * outputs, `${this.#batch} rows of ${outputs}`);
    return guard(() => this.#native.backward(dOutput));
  }

  getGradients(): Float32Array {
    return this.#native.getGradients();
  }

  adamStep(options: { readonly learningRate: number; readonly beta1: number; readonly beta2: number; readonly epsilon: number }): void {
    checkNumber('learningRate', options.learningRate, 0, Number.MAX_VALUE);
    checkNumber('beta1', options.beta1, 0, 1 - Number.EPSILON);
    checkNumber('beta2', options.beta2, 0, 1 - Number.EPSILON);
    checkNumber('epsilon', options.epsilon, 0, Number.MAX_VALUE);
    guard(() => this.#native.adamStep(options));
  }

  softUpdateFrom(source: NativeMlp, tau: number): void {
    checkNumber('tau', tau, 0, 1);
    const native = natives.get(source) ?? fail('source must come from createMlp');
    guard(() => this.#native.softUpdateFrom(native, tau));
  }

  #checkParameters(name: string, values: Float32Array): void {
    checkLength(name, values.length, this.parameterCount, 'the parameters of the network');
    checkFinite(name, values);
  }
}

/** Throws LatheError: bad-input for impossible sizes; unavailable without the addon. */
export function createMlp(sizes: readonly number[], output: 'linear' | 'sigmoid'): Mlp {
  return new Mlp(sizes, output);
}
