/**
 * The project's random numbers: a seeded generator whose whole state is a small JSON value, so that a search continues
 * from a checkpoint to the same result, bit for bit. The bits come from xoroshiro128+ (pure-rand); seeding, named streams
 * and the distributions are here. Not for secrets.
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';
import { z } from 'zod';

const int32 = z.number().int().min(-0x8000_0000).max(0x7fff_ffff);
const words = z.tuple([int32, int32, int32, int32]);

/** All of a generator: what it was seeded with (`key`, for `derive`), where it stands, and the half of a pair that `normal` keeps. */
export const randomStateSchema = z.object({
  key: words,
  generator: words.refine((state) => state.some((word) => word !== 0), 'the state of a generator is never all zeros'),
  cachedNormal: z.number().nullable(),
});
export type RandomState = z.infer<typeof randomStateSchema>;
type Words = RandomState['key'];

/** Arrays that can be shuffled in place. */
type Shuffled = { readonly length: number; [index: number]: unknown };

const maximumSeed = 0xffff_ffff;
// Each trial of `truncatedNormal` is accepted with probability > 1/4: that a thousand in a row fail has probability < 1e-120.
const maximumRejections = 1000;

export class Random {
  readonly #key: Words;
  readonly #generator: ReturnType<typeof xoroshiro128plusFromState>;
  #cachedNormal: number | null;

  private constructor(state: RandomState) {
    this.#key = state.key;
    this.#generator = xoroshiro128plusFromState(state.generator);
    this.#cachedNormal = state.cachedNormal;
  }

  /** A generator from an integer seed, 0 to 2^32 - 1. Neighbouring seeds give unrelated streams. */
  static fromSeed(seed: number): Random {
    if (!Number.isInteger(seed) || seed < 0 || seed > maximumSeed) {
      throw new RangeError(`seed must be an integer from 0 to ${maximumSeed}, found ${seed}`);
    }
    return Random.#fromKey(mixWords([seed | 0, 0x6c617468, 0, 1]));
  }

  /** Continues exactly where `getState` was called. Throws a ZodError when the value is not such a state. */
  static fromState(state: unknown): Random {
    return new Random(randomStateSchema.parse(state));
  }

  static #fromKey(key: Words): Random {
    const generator = mixWords(key);
    if (generator.every((word) => word === 0)) generator[0] = 1; // the one state that xoroshiro cannot leave
    return new Random({ key, generator, cachedNormal: null });
  }

  /** A JSON value from which `fromState` continues exactly. */
  getState(): RandomState {
    const [a = 0, b = 0, c = 0, d = 0] = this.#generator.getState();
    return { key: [...this.#key], generator: [a | 0, b | 0, c | 0, d | 0], cachedNormal: this.#cachedNormal };
  }

  /**
   * An independent stream named by `label`. It depends on how this generator was seeded and on the label, not on how many
   * numbers were drawn: code that draws more elsewhere leaves it as it was. The same label gives the same stream again.
   */
  derive(label: string): Random {
    const key: Words = [...this.#key];
    for (let i = 0; i < label.length; i++) absorb(key, label.charCodeAt(i));
    absorb(key, 0x1_0000 + label.length); // no code unit is this large: marks the end, so that derive('ab') is not derive('a').derive('b')
    return Random.#fromKey(mixWords(key));
  }

  /** 32 random bits, as an unsigned integer. */
  uint32(): number {
    return this.#generator.next() >>> 0;
  }

  /** Uniform in [0, 1): a multiple of 2^-53. */
  uniform(): number {
    return uniformFloat64(this.#generator);
  }

  /** Uniform over the integers from `low` to `high`, both included; without bias. */
  uniformInt(low: number, high: number): number {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || low > high || !Number.isSafeInteger(high - low)) {
      throw new RangeError(`uniformInt needs integers low <= high, found ${low} and ${high}`);
    }
    return uniformInt(this.#generator, low, high);
  }

  /** Normal with the given mean and standard deviation `sigma` >= 0 (Box and Muller 1958; the second of each pair is kept). */
  normal(mean = 0, sigma = 1): number {
    checkSigma(sigma);
    return mean + sigma * this.#standardNormal();
  }

  /**
   * Normal with mean `mean` and standard deviation `sigma` >= 0 before truncation, given that it lies in [low, high]. Exact
   * by rejection for any mean, also far outside the interval; sigma 0 gives the point of the interval nearest to the mean.
   * Source: C. P. Robert, Simulation of truncated normal variables, Statistics and Computing 5 (1995), 121-125.
   */
  truncatedNormal(mean: number, sigma: number, low: number, high: number): number {
    checkSigma(sigma);
    if (!Number.isFinite(mean)) throw new RangeError(`mean must be finite, found ${mean}`);
    if (!(low <= high)) throw new RangeError(`truncatedNormal needs low <= high, found ${low} and ${high}`);
    const nearest = clamp(mean, low, high);
    if (sigma === 0 || low === high) return nearest;
    const a = (low - mean) / sigma;
    const b = (high - mean) / sigma;
    // The offsets are from the bound that is nearest to the mean: far out, mean + sigma * z would lose every digit.
    if (a > 0) return clamp(low + sigma * this.#tailOffset(a, b), low, high);
    if (b < 0) return clamp(high - sigma * this.#tailOffset(-b, -a), low, high);
    return clamp(mean + sigma * this.#centralNormal(a, b), low, high);
  }

  /** Shuffles in place (Fisher and Yates) and returns the same array. */
  shuffle<T extends Shuffled>(values: T): T {
    for (let i = values.length - 1; i > 0; i--) {
      const j = uniformInt(this.#generator, 0, i);
      const kept = values[i];
      values[i] = values[j];
      values[j] = kept;
    }
    return values;
  }

  /** A random order of 0 .. count - 1. */
  permutation(count: number): Uint32Array<ArrayBuffer> {
    if (!Number.isInteger(count) || count < 0 || count > maximumSeed)
      throw new RangeError(`count must be a non-negative integer, found ${count}`);
    const order = new Uint32Array(count);
    for (let i = 0; i < count; i++) order[i] = i;
    return this.shuffle(order);
  }

  #standardNormal(): number {
    if (this.#cachedNormal !== null) {
      const kept = this.#cachedNormal;
      this.#cachedNormal = null;
      return kept;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform())); // 1 - uniform is in (0, 1]
    const angle = 2 * Math.PI * this.uniform();
    this.#cachedNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Standard normal given a <= z <= b, where a <= 0 <= b. */
  #centralNormal(a: number, b: number): number {
    const wide = b - a > Math.sqrt(2 * Math.PI); // proposing from the normal then succeeds more often than from the uniform
    for (let i = 0; i < maximumRejections; i++) {
      if (wide) {
        const z = this.#standardNormal();
        if (z >= a && z <= b) return z;
      } else {
        const z = a + (b - a) * this.uniform();
        if (this.uniform() <= Math.exp((-z * z) / 2)) return z;
      }
    }
    return 0; // the mode; see maximumRejections
  }

  /** z - a of a standard normal given a <= z <= b, where 0 < a. */
  #tailOffset(a: number, b: number): number {
    if (a === Infinity) return 0;
    const width = b - a;
    if (a > 1e8) return Math.min(width, -Math.log(1 - this.uniform()) / a); // the tail is an exponential to the last digit
    const rate = (a + Math.sqrt(a * a + 4)) / 2; // best rate of the exponential proposal, equation (3) of the source
    const narrow = width * rate < 1; // proposing from the uniform then succeeds more often
    for (let i = 0; i < maximumRejections; i++) {
      if (narrow) {
        const offset = width * this.uniform();
        if (this.uniform() <= Math.exp(-offset * (a + offset / 2))) return offset; // exp((a^2 - z^2) / 2)
      } else {
        const offset = -Math.log(1 - this.uniform()) / rate;
        const distance = a + offset - rate;
        if (offset <= width && this.uniform() <= Math.exp((-distance * distance) / 2)) return offset;
      }
    }
    return 0; // the mode; see maximumRejections
  }
}

function checkSigma(sigma: number): void {
  if (!(sigma >= 0) || !Number.isFinite(sigma)) throw new RangeError(`sigma must be finite and not negative, found ${sigma}`);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}

/** Takes one number into the four words; every later word depends on it. */
function absorb(state: Words, value: number): void {
  state[0] = Math.imul(state[0] ^ value, 0x9e3779b1) ^ (state[3] >>> 15);
  state[1] = Math.imul(state[1] ^ state[0], 0x85ebca77) ^ (state[0] >>> 13);
  state[2] = Math.imul(state[2] ^ state[1], 0xc2b2ae3d) ^ (state[1] >>> 16);
  state[3] = Math.imul(state[3] ^ state[2], 0x27d4eb2f) ^ (state[2] >>> 14);
}

/** Spreads every bit over all four words: four rounds of `absorb` and MurmurHash3's 32-bit finaliser (A. Appleby, public domain). */
function mixWords(input: Readonly<Words>): Words {
  const state: Words = [...input];
  for (let round = 1; round <= 4; round++) {
    absorb(state, round);
    for (let i = 0; i < 4; i++) {
      let word = state[i] ?? 0;
      word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
      word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
      state[i] = word ^ (word >>> 16);
    }
  }
  return state;
}
