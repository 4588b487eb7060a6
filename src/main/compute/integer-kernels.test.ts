/** The integer kernels against their scalar twin, bit for bit, and the twin against what is computed here from the definitions. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import { loadAddon } from './index.ts';
import { atEveryLevel } from './test-kit.ts';

const { testing } = loadAddon();
const forms = ['fast', 'emulated-vnni'] as const;

/** Codes of the whole range, the ends more often than chance has them. */
function codes(random: Random, length: number, signed: boolean): Uint8Array {
  const ends = signed ? [-127, 127] : [0, 255];
  return Uint8Array.from({ length }, () => {
    if (random.uniform() < 0.3) return ends[random.uniformInt(0, 1)] ?? 0;
    return signed ? random.uniformInt(-127, 127) : random.uniformInt(0, 255);
  });
}

function weights(random: Random, length: number): Int8Array {
  return Int8Array.from({ length }, () =>
    random.uniform() < 0.3 ? (random.uniformInt(0, 1) === 0 ? -127 : 127) : random.uniformInt(-127, 127),
  );
}

const valueOf = (code: number, signed: boolean): number => (signed && code > 127 ? code - 256 : code);

describe('integer products', () => {
  it('are exact at sizes 1, odd and around every vector width, with extreme codes that would saturate 16 bits', () => {
    const random = Random.fromSeed(41);
    const sizes = [
      [1, 1, 1],
      [1, 10, 1],
      [2, 15, 3],
      [5, 16, 2],
      [6, 17, 4],
      [7, 31, 5],
      [11, 32, 27],
      [12, 33, 64],
      [13, 48, 65],
      [25, 65, 129],
    ] as const;
    for (const signed of [false, true]) {
      for (const [m, n, k] of sizes) {
        const call = { m, n, k, signed, codes: codes(random, m * k, signed), weights: weights(random, n * k) };
        const expected = Array.from({ length: m * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          let sum = 0;
          for (let p = 0; p < k; p += 1) sum += valueOf(call.codes[i * k + p] ?? NaN, signed) * (call.weights[j * k + p] ?? NaN);
          return sum;
        });
        expect([...testing.integerProduct(call, 'reference')], `twin ${m}x${n}x${k}`).toEqual(expected);
        atEveryLevel((level) => {
          for (const form of forms) {
            expect([...testing.integerProduct(call, form)], `${form}, ${level}, ${m}x${n}x${k}, signed ${String(signed)}`).toEqual(
              expected,
            );
          }
        });
      }
    }
  });

  it('do not saturate where VPMADDUBSW would: 255 * 127 + 255 * 127 is 64770', () => {
    const call = { m: 1, n: 1, k: 2, signed: false, codes: Uint8Array.of(255, 255), weights: Int8Array.of(127, 127) };
    for (const form of [...forms, 'reference'] as const) expect([...testing.integerProduct(call, form)], form).toEqual([64_770]);
  });
});

describe('integer depthwise convolution', () => {
  it('is exact at 1, odd and many channels, with strides and even kernels', () => {
    const random = Random.fromSeed(42);
    for (const signed of [false, true]) {
      for (const channels of [1, 3, 8, 15, 16, 17, 33]) {
        for (const [kernel, stride] of [
          [1, 1],
          [2, 1],
          [3, 1],
          [3, 2],
          [5, 2],
        ] as const) {
          const [rows, width] = [7, 6];
          const call = {
            rows,
            width,
            channels,
            kernel,
            stride,
            signed,
            codes: codes(random, rows * width * channels, signed),
            weights: weights(random, channels * kernel * kernel),
          };
          const outWidth = Math.floor((width - kernel) / stride) + 1;
          const expected = Array.from({ length: (Math.floor((rows - kernel) / stride) + 1) * outWidth * channels }, (_, at) => {
            const c = at % channels;
            const pixel = Math.floor(at / channels);
            const [oy, ox] = [Math.floor(pixel / outWidth), pixel % outWidth];
            let sum = 0;
            for (let tap = 0; tap < kernel * kernel; tap += 1) {
              const y = oy * stride + Math.floor(tap / kernel);
              const x = ox * stride + (tap % kernel);
              sum += valueOf(call.codes[(y * width + x) * channels + c] ?? NaN, signed) * (call.weights[c * kernel * kernel + tap] ?? NaN);
            }
            return sum;
          });
          expect([...testing.integerDepthwise(call, 'reference')], 'twin').toEqual(expected);
          atEveryLevel((level) => {
            expect([...testing.integerDepthwise(call, 'fast')], `${level}, ${channels} channels, kernel ${kernel}`).toEqual(expected);
          });
        }
      }
    }
  });
});

describe('requantization', () => {
  const f = Math.fround;
  const open = { least: -Infinity, most: Infinity };

  it('rounds twice, clamps, and gives the codes of the quantizer, the same bits at every level', () => {
    const random = Random.fromSeed(43);
    for (const channels of [1, 7, 8, 9, 24]) {
      const acc = Int32Array.from({ length: channels * 5 }, () => random.uniformInt(-2_000_000, 2_000_000));
      const scale = Float32Array.from({ length: channels }, () => random.normal(0, 1e-5));
      const shift = Float32Array.from({ length: channels }, () => random.normal(0, 1));
      for (const bounds of [open, { least: 0, most: Infinity }, { least: 0, most: 6 }]) {
        for (const code of [
          { codeScale: 6 / 255, low: 0, high: 255, sign: false },
          { codeScale: 0.7, low: -7, high: 7, sign: false },
          { codeScale: 1, low: -1, high: 1, sign: true },
        ]) {
          const call = { channels, acc, scale, shift, ...bounds, ...code };
          const values = Float32Array.from(acc, (sum, at) => {
            const y = f(f(f(sum) * (scale[at % channels] ?? NaN)) + (shift[at % channels] ?? NaN));
            return Math.min(Math.max(y, bounds.least), bounds.most);
          });
          const reference = testing.requantize({ ...call, wantCodes: true }, 'reference');
          expect(testing.requantize({ ...call, wantCodes: false }, 'reference')).toEqual(values);
          atEveryLevel((level) => {
            expect(testing.requantize({ ...call, wantCodes: false }, 'fast'), level).toEqual(values);
            expect(testing.requantize({ ...call, wantCodes: true }, 'fast'), level).toEqual(reference);
          });
        }
      }
    }
  });

  it('rounds ties to even, clips, and counts zero and negative zero as positive signs', () => {
    const call = { channels: 1, scale: Float32Array.of(0.5), shift: Float32Array.of(0), ...open, wantCodes: true };
    const acc = Int32Array.of(-99, -5, -3, -1, 0, 1, 3, 5, 99); // halves of: ..., -2.5, -1.5, -0.5, 0, 0.5, 1.5, 2.5, ...
    const signed = { ...call, acc, codeScale: 1, low: -3, high: 3, sign: false };
    const sign = { ...call, acc: Int32Array.of(-1, 0, 1), codeScale: 1, low: -1, high: 1, sign: true };
    const negative = { ...sign, shift: Float32Array.of(-0), scale: Float32Array.of(-0) };
    atEveryLevel(() => {
      for (const form of ['fast', 'reference'] as const) {
        expect([...(testing.requantize(signed, form) as Uint8Array)].map((code) => valueOf(code, true))).toEqual([
          -3, -2, -2, 0, 0, 0, 2, 2, 3,
        ]);
        expect([...(testing.requantize(sign, form) as Uint8Array)].map((code) => valueOf(code, true))).toEqual([-1, 1, 1]);
        expect([...(testing.requantize(negative, form) as Uint8Array)].map((code) => valueOf(code, true))).toEqual([1, 1, 1]);
      }
    });
  });
});
