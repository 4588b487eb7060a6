/**
 * Architecture parameters (ProxylessNAS, arXiv 1812.00332, section 3.2): alpha, a value a candidate of each block; their
 * softmax; what the gates' gradients mean for them; and Adam's step. Pure but for the class at the end.
 */
import type { Random } from '../../../shared/random.ts';
import type { Path } from '../../network/space/space.ts';

/** p_i = exp(alpha_i) / sum exp(alpha_j). */
export function softmax(alpha: ArrayLike<number>): number[] {
  const values = Array.from(alpha);
  const largest = Math.max(...values);
  const exponentials = values.map((value) => Math.exp(value - largest));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

/** In nats: ln n for n equal ones, 0 where one is certain. */
export function entropy(probabilities: readonly number[]): number {
  return probabilities.reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}

/** dL/dalpha_i = sum_j dL/dg_j p_j (delta_ij - p_i): equation (4), p in place of g. Its sum is zero. */
export function alphaGradient(gates: readonly number[], probabilities: readonly number[]): number[] {
  const mean = gates.reduce((sum, gate, j) => sum + gate * (probabilities[j] ?? 0), 0);
  return probabilities.map((p, i) => p * ((gates[i] ?? 0) - mean));
}

/** The sum over blocks of sum_i p_i F(i), with what is the same for all networks. */
export function expectedCost(
  cost: { readonly fixed: number; readonly blocks: readonly (readonly number[])[] },
  probabilities: readonly (readonly number[])[],
): number {
  return cost.blocks.reduce(
    (sum, row, block) => sum + row.reduce((part, value, i) => part + value * (probabilities[block]?.[i] ?? 0), 0),
    cost.fixed,
  );
}

/** An index with these probabilities, from a uniform number in [0, 1). */
export function draw(probabilities: readonly number[], uniform: number): number {
  let sum = 0;
  for (const [index, p] of probabilities.entries()) {
    sum += p;
    if (uniform < sum) return index;
  }
  return probabilities.findLastIndex((p) => p > 0); // rounding left the sum below 1
}

/** Two different indices, drawn one after the other without putting back; one where there is no second. */
export function drawPair(probabilities: readonly number[], random: Random): readonly number[] {
  const first = draw(probabilities, random.uniform());
  if (probabilities.length === 1) return [first];
  const left = 1 - (probabilities[first] ?? 0);
  const others = probabilities.map((p, index) => (index === first ? 0 : p / left));
  const uniform = random.uniform();
  if (!(left > 0)) return [first, first === 0 ? 1 : 0]; // certain to rounding: any other may learn
  return [first, draw(others, uniform)];
}

/** log of the sum of exponentials. */
function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values);
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0));
}

export interface AlphaState {
  readonly alpha: readonly (readonly number[])[];
  readonly second: readonly (readonly number[])[];
  readonly steps: number;
}

const beta2 = 0.999;
const epsilon = 1e-8;

/** Alpha of every block with Adam's state. Adam has no momentum (beta1 = 0): it moves alpha by about the rate a step. */
export class ArchitectureParameters {
  private readonly alpha: number[][];
  private readonly second: number[][];
  private steps = 0;

  /** Starts at zeros: every candidate as likely as another. */
  constructor(candidates: readonly number[]) {
    this.alpha = candidates.map((count) => Array<number>(count).fill(0));
    this.second = candidates.map((count) => Array<number>(count).fill(0));
  }

  get probabilities(): number[][] {
    return this.alpha.map((values) => softmax(values));
  }

  get values(): readonly (readonly number[])[] {
    return this.alpha;
  }

  /** The likeliest candidate of every block; of equal ones the first. */
  get argmax(): Path {
    return this.alpha.map((values) => values.indexOf(Math.max(...values)));
  }

  sample(random: Random): Path {
    return this.alpha.map((values) => draw(softmax(values), random.uniform()));
  }

  /** One step down these gradients. */
  step(gradients: readonly (readonly number[])[], rate: number): void {
    this.steps += 1;
    const correction = 1 - beta2 ** this.steps;
    for (const [block, values] of this.alpha.entries()) {
      const second = this.second[block] ?? [];
      for (const [i, old] of values.entries()) {
        const gradient = gradients[block]?.[i] ?? 0;
        const v = beta2 * (second[i] ?? 0) + (1 - beta2) * gradient * gradient;
        second[i] = v;
        if (gradient !== 0) values[i] = old - (rate * gradient) / (Math.sqrt(v / correction) + epsilon);
      }
    }
  }

  /**
   * As `step`, where only a pair of each block has a gradient: afterwards both are shifted by what keeps the sum of their
   * exponentials, so that the probabilities of all others stay as they were.
   */
  stepPairs(pairs: readonly (readonly number[])[], gradients: readonly (readonly number[])[], rate: number): void {
    const before = this.alpha.map((values, block) => logSumExp((pairs[block] ?? []).map((i) => values[i] ?? 0)));
    this.step(gradients, rate);
    for (const [block, values] of this.alpha.entries()) {
      const pair = pairs[block] ?? [];
      const shift = (before[block] ?? 0) - logSumExp(pair.map((i) => values[i] ?? 0));
      for (const i of pair) values[i] = (values[i] ?? 0) + shift;
    }
  }

  save(): AlphaState {
    return { alpha: this.alpha.map((values) => [...values]), second: this.second.map((values) => [...values]), steps: this.steps };
  }

  restore(state: AlphaState): void {
    for (const [block, values] of state.alpha.entries()) this.alpha[block]?.splice(0, values.length, ...values);
    for (const [block, values] of state.second.entries()) this.second[block]?.splice(0, values.length, ...values);
    this.steps = state.steps;
  }
}
