/** Mlp: gradients against finite differences in double precision, Adam and the soft update against their formulas. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import { createMlp, type Mlp } from './index.ts';
import { atEveryLevel } from './test-kit.ts';

type Output = 'linear' | 'sigmoid';

/** The network in double precision: weight (in, out) row-major, then bias, layer by layer; ReLU in between. */
function slowForward(sizes: readonly number[], output: Output, parameters: ArrayLike<number>, x: readonly number[]): number[] {
  let values = [...x];
  let offset = 0;
  sizes.slice(1).forEach((outputs, layer) => {
    const inputs = values;
    const last = layer === sizes.length - 2;
    values = Array.from({ length: outputs }, (_, o) => {
      const sum = inputs.reduce(
        (total, input, i) => total + input * (parameters[offset + i * outputs + o] ?? NaN),
        parameters[offset + inputs.length * outputs + o] ?? NaN,
      );
      if (!last) return Math.max(sum, 0);
      return output === 'sigmoid' ? 1 / (1 + Math.exp(-sum)) : sum;
    });
    offset += inputs.length * outputs + outputs;
  });
  return values;
}

function randomMlp(sizes: readonly number[], output: Output, seed: number): { mlp: Mlp; parameters: Float32Array } {
  const random = Random.fromSeed(seed);
  const mlp = createMlp(sizes, output);
  const parameters = Float32Array.from({ length: mlp.parameterCount }, () => random.normal(0, 0.5));
  mlp.setParameters(parameters);
  return { mlp, parameters };
}

const randomFloats = (random: Random, length: number): Float32Array => Float32Array.from({ length }, () => random.normal());

describe('forward and backward', () => {
  it.each([
    { sizes: [3, 5, 2], output: 'linear', batch: 1 },
    { sizes: [10, 17, 33, 1], output: 'sigmoid', batch: 5 },
    { sizes: [7, 16, 31, 8], output: 'linear', batch: 16 },
    { sizes: [4, 3], output: 'sigmoid', batch: 3 },
  ] as const)('$sizes, $output, batch $batch', ({ sizes, output, batch }) => {
    const random = Random.fromSeed(9);
    const inputs = sizes[0];
    const outputs = sizes.at(-1) ?? 0;
    const x = randomFloats(random, batch * inputs);
    const dOutput = randomFloats(random, batch * outputs);
    const { parameters } = randomMlp(sizes, output, 7);
    const rows = (array: ArrayLike<number>): number[][] =>
      Array.from({ length: batch }, (_, n) => Array.from({ length: inputs }, (__, i) => array[n * inputs + i] ?? NaN));
    const objective = (p: ArrayLike<number>, input: ArrayLike<number>): number =>
      rows(input)
        .flatMap((row) => slowForward(sizes, output, p, row))
        .reduce((sum, y, i) => sum + y * (dOutput[i] ?? NaN), 0);
    const differences = (array: Float32Array, at: (changed: Float64Array) => number): number[] =>
      Array.from(array, (_, i) => {
        const [above, below] = [1e-5, -1e-5].map((step) => at(Float64Array.from(array, (value, j) => (i === j ? value + step : value))));
        return ((above ?? NaN) - (below ?? NaN)) / 2e-5;
      });
    const expectedY = rows(x).flatMap((row) => slowForward(sizes, output, parameters, row));
    const expectedGradients = differences(parameters, (p) => objective(p, x));
    const expectedDx = differences(x, (input) => objective(parameters, input));

    atEveryLevel((level) => {
      const { mlp } = randomMlp(sizes, output, 7);
      expect(mlp.parameterCount).toBe(sizes.slice(1).reduce<number>((sum, size, i) => sum + ((sizes[i] ?? 0) + 1) * size, 0));
      mlp.forward(x, batch).forEach((y, i) => expect(y, level).toBeCloseTo(expectedY[i] ?? NaN, 4));
      mlp.backward(dOutput).forEach((dx, i) => expect(dx, level).toBeCloseTo(expectedDx[i] ?? NaN, 3));
      mlp.getGradients().forEach((g, i) => expect(g, level).toBeCloseTo(expectedGradients[i] ?? NaN, 3));
    });
  });

  it('replaces the gradients instead of adding to them', () => {
    const { mlp } = randomMlp([3, 4, 2], 'linear', 1);
    const x = Float32Array.of(1, 2, 3);
    mlp.forward(x, 1);
    mlp.backward(Float32Array.of(1, 1));
    const once = mlp.getGradients();
    mlp.backward(Float32Array.of(1, 1));
    expect(mlp.getGradients()).toEqual(once);
  });

  it('sees parameters that were set after a pass', () => {
    const { mlp, parameters } = randomMlp([2, 3, 1], 'linear', 2);
    const x = Float32Array.of(0.5, -1);
    const before = mlp.forward(x, 1);
    mlp.setParameters(parameters.map((p) => p * 2));
    expect(mlp.forward(x, 1)).not.toEqual(before);
    expect(mlp.getParameters()).toEqual(parameters.map((p) => p * 2));
  });
});

describe('the optimiser', () => {
  it('is Adam with bias correction (Kingma and Ba 2015, algorithm 1), and continues from a saved state', () => {
    atEveryLevel((level) => {
      const { mlp, parameters } = randomMlp([5, 9, 3], 'linear', 4);
      const random = Random.fromSeed(6);
      const options = { learningRate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
      const w = Float64Array.from(parameters);
      const m = new Float64Array(w.length);
      const v = new Float64Array(w.length);
      let current = mlp;
      for (let t = 1; t <= 4; t += 1) {
        current.forward(randomFloats(random, 10), 2);
        current.backward(randomFloats(random, 6));
        const g = current.getGradients();
        current.adamStep(options);
        w.forEach((value, i) => {
          const gi = g[i] ?? NaN;
          m[i] = 0.9 * (m[i] ?? NaN) + 0.1 * gi;
          v[i] = 0.999 * (v[i] ?? NaN) + 0.001 * gi * gi;
          w[i] = value - (0.01 * ((m[i] ?? NaN) / (1 - 0.9 ** t))) / (Math.sqrt((v[i] ?? NaN) / (1 - 0.999 ** t)) + 1e-8);
        });
        current.getParameters().forEach((value, i) => expect(value, `${level}, step ${t}`).toBeCloseTo(w[i] ?? NaN, 4));
        expect(current.getOptimizer().steps).toBe(t);
        if (t === 2) {
          const saved = { parameters: current.getParameters(), optimizer: current.getOptimizer() };
          current = createMlp([5, 9, 3], 'linear');
          current.setParameters(saved.parameters);
          current.setOptimizer(saved.optimizer);
        }
      }
    });
  });

  it('moves a target by (1 - tau) * own + tau * source', () => {
    const source = randomMlp([4, 6, 2], 'linear', 1);
    const target = randomMlp([4, 6, 2], 'linear', 2);
    const before = target.mlp.forward(Float32Array.of(1, 1, 1, 1), 1);
    target.mlp.softUpdateFrom(source.mlp, 0.25);
    target.mlp
      .getParameters()
      .forEach((value, i) => expect(value).toBeCloseTo(0.75 * (target.parameters[i] ?? NaN) + 0.25 * (source.parameters[i] ?? NaN), 6));
    expect(target.mlp.forward(Float32Array.of(1, 1, 1, 1), 1)).not.toEqual(before);
  });
});

describe('misuse', () => {
  const { mlp } = randomMlp([3, 4, 2], 'linear', 1);

  it('names the argument, what is allowed and what was found', () => {
    expect(() => createMlp([3], 'linear')).toThrow('sizes must name input and output at least, found 1');
    expect(() => createMlp([3, 0, 1], 'linear')).toThrow('sizes[1] must be a whole number from 1 to 65536, found 0');
    expect(() => mlp.forward(new Float32Array(5), 2)).toThrow('x must have 6 values (2 rows of 3), found 5');
    expect(() => mlp.forward(new Float32Array(3), 0)).toThrow('batch must be a whole number from 1 to 65536, found 0');
    expect(() => createMlp([3, 2], 'linear').backward(new Float32Array(2))).toThrow('backward must follow a forward, found none before it');
    expect(() => mlp.setParameters(new Float32Array(3))).toThrow('values must have 26 values (the parameters of the network), found 3');
    expect(() => mlp.softUpdateFrom(mlp, 2)).toThrow('tau must be a finite number from 0 to 1, found 2');
    expect(() => mlp.softUpdateFrom(createMlp([3, 5, 2], 'linear'), 0.5)).toThrow('source must have the same sizes');
  });
});
