/** The fast kernels against their slow twins: sizes of 1, odd ones and around the vector width, at every instruction set. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeOp, NativeOperatorCall, NativeOperatorResult, Padding, Pair } from './addon.ts';
import type { Shape } from './program-check.ts';
import { atEveryLevel, convolution, isClose, largest, parametersFor, runOperator, values } from './test-kit.ts';

const channelCounts = [1, 3, 7, 8, 15, 16, 17, 31, 33];
const sides: readonly (readonly [number, number])[] = [
  [1, 1],
  [1, 2],
  [2, 5],
  [5, 2],
  [7, 5],
  [7, 7],
];
const pair = (extent: number): Pair => [extent, extent];
const around = (extent: number): Padding => [extent, extent, extent, extent];
const outputCounts = [1, 17, 33, 8, 40];
const base = { name: 'op', input: 0, output: 1 } as const;

// Sums of a few hundred products in single precision are within some 1e-6 of their largest term.
const forwardTolerance = 1e-5;
const backwardTolerance = 2e-5;

interface Case {
  readonly op: NativeOp;
  readonly batch: number;
  readonly shape: Shape; // of the first input
  readonly shapes?: readonly Shape[]; // of all of them, where there are several
}

/** Every combination of sides and channels, with a batch of 1 or 3 in turn. */
function shapes(): Pick<Case, 'batch' | 'shape'>[] {
  return sides.flatMap(([height, width], i) =>
    channelCounts.map((channels, j) => ({ batch: (i + j) % 2 === 0 ? 3 : 1, shape: [height, width, channels] as const })),
  );
}

function convolutions(depthwise: boolean): Case[] {
  return shapes().flatMap(({ batch, shape }, index) => {
    const [height, width, channels] = shape;
    return [1, 3, 5].flatMap((kernel) =>
      [1, 2].flatMap((stride) =>
        [0, 1, 2].flatMap((padding) => {
          if (Math.min(height, width) + 2 * padding < kernel) return [];
          const outChannels = depthwise ? channels : (outputCounts[(index + kernel + stride + padding) % outputCounts.length] ?? 1);
          const bias = (index + padding) % 2 === 0;
          const groups = depthwise ? channels : 1;
          return [
            {
              op: convolution(channels, outChannels, pair(kernel), { stride: pair(stride), padding: around(padding), groups, bias }),
              batch,
              shape,
            },
          ];
        }),
      ),
    );
  });
}

// Everything that a square, symmetric convolution without gaps does not have.
const unusual: readonly (readonly [kernel: Pair, stride: Pair, padding: Padding, dilation: Pair])[] = [
  [
    [1, 3],
    [1, 1],
    [0, 1, 0, 1],
    [1, 1],
  ],
  [
    [3, 1],
    [2, 1],
    [1, 0, 0, 0],
    [1, 1],
  ],
  [
    [2, 2],
    [1, 2],
    [0, 0, 1, 1],
    [1, 1],
  ],
  [
    [3, 3],
    [1, 1],
    [2, 2, 2, 2],
    [2, 2],
  ],
  [
    [3, 2],
    [2, 2],
    [3, 0, 1, 2],
    [1, 3],
  ],
  [
    [3, 3],
    [2, 2],
    [0, 0, 2, 2],
    [1, 1],
  ],
  [
    [3, 3],
    [1, 1],
    [0, 1, 3, 4],
    [1, 1],
  ],
  [
    [1, 1],
    [2, 3],
    [0, 0, 0, 0],
    [1, 1],
  ],
];

/** Groups as [groups, input channels a group, output channels a group]. */
function unusualConvolutions(divisions: readonly (readonly [number, number, number])[]): Case[] {
  return sides.flatMap(([height, width], i) =>
    unusual.flatMap(([kernel, stride, padding, dilation], j) =>
      divisions.flatMap(([groups, groupIn, groupOut], k) => {
        const inChannels = groups * groupIn;
        const spans = kernel.map((extent, side) => (extent - 1) * (dilation[side] ?? 1) + 1);
        if (height + padding[0] + padding[2] < (spans[0] ?? 0) || width + padding[1] + padding[3] < (spans[1] ?? 0)) return [];
        const op = convolution(inChannels, groups * groupOut, kernel, { stride, padding, dilation, groups });
        return [{ op: { ...op, bias: (i + j + k) % 2 === 0 }, batch: 1 + ((i + j) % 3), shape: [height, width, inChannels] as const }];
      }),
    ),
  );
}

function pools(kind: 'maxPool' | 'averagePool'): Case[] {
  return shapes().flatMap(({ batch, shape }, index) =>
    unusual
      .filter(([, , , dilation]) => dilation.join() === '1,1')
      .concat([
        [pair(2), pair(2), around(0), pair(1)],
        [pair(3), pair(2), around(1), pair(1)],
      ])
      .flatMap(([kernel, stride, wide]) => {
        const padding: Padding = [
          Math.min(wide[0], kernel[0] - 1),
          Math.min(wide[1], kernel[1] - 1),
          Math.min(wide[2], kernel[0] - 1),
          Math.min(wide[3], kernel[1] - 1),
        ];
        if (shape[0] + padding[0] + padding[2] < kernel[0] || shape[1] + padding[1] + padding[3] < kernel[1]) return [];
        const window = { ...base, kernel, stride, padding };
        const op = kind === 'maxPool' ? { ...window, kind } : { ...window, kind, countPadding: index % 2 === 0 };
        return [{ op, batch, shape }];
      }),
  );
}

/** Operators that read several tensors. */
function combinations(kind: 'add' | 'mul' | 'concat' | 'gate'): Case[] {
  return shapes().map(({ batch, shape }, index) => {
    const [height, width, channels] = shape;
    const others: readonly Shape[] =
      kind === 'gate'
        ? [[1, 1, channels]]
        : kind === 'concat'
          ? [[height, width, 1 + (index % 9)], ...(index % 2 === 0 ? [shape] : [])]
          : kind === 'add' && index % 2 === 0
            ? [shape, shape]
            : [shape];
    const inputs = [0, ...others.map((_, i) => i + 1)];
    const op: NativeOp =
      kind === 'add' || kind === 'concat'
        ? { kind, name: 'op', inputs, output: inputs.length }
        : { kind: 'mul', name: 'op', inputs: [0, 1], output: 2 };
    return { op, batch, shape, shapes: [shape, ...others] };
  });
}

const activations: readonly NativeOp[] = [
  { ...base, kind: 'relu' },
  { ...base, kind: 'relu6' },
  { ...base, kind: 'hardSwish' },
  { ...base, kind: 'sigmoid' },
  { ...base, kind: 'swish' },
  { ...base, kind: 'tanh' },
  { ...base, kind: 'hardSigmoid', alpha: 0.2, beta: 0.4 },
  { ...base, kind: 'leakyRelu', slope: 0.1 },
  { ...base, kind: 'clip', minimum: -1.5, maximum: 2.25 },
  { ...base, kind: 'clip', minimum: Number.NEGATIVE_INFINITY, maximum: 1 },
];

const paddingsThatCut: readonly Padding[] = [
  [-1, -1, 1, 1],
  [-2, 0, 0, -1],
  [1, -1, -1, 0],
  [0, 2, -2, -2],
];

const families: readonly (readonly [string, readonly Case[]])[] = [
  ['dense and pointwise convolution', convolutions(false)],
  ['depthwise convolution', convolutions(true)],
  [
    'convolution with oblong kernels and strides, gaps and uneven padding',
    unusualConvolutions([
      [1, 3, 5],
      [1, 17, 9],
    ]),
  ],
  [
    'grouped convolution',
    unusualConvolutions([
      [2, 3, 5],
      [3, 8, 9],
      [5, 1, 2],
    ]),
  ],
  [
    'depthwise convolution with oblong kernels and strides, gaps and uneven padding',
    unusualConvolutions([
      [5, 1, 1],
      [8, 1, 1],
      [33, 1, 1],
    ]),
  ],
  ['batch norm', shapes().map((s) => ({ ...s, op: { ...base, kind: 'batchNorm', channels: s.shape[2], epsilon: 1e-3, momentum: 0.1 } }))],
  ...activations.map((op): readonly [string, readonly Case[]] => [op.kind, shapes().map((s) => ({ ...s, op }))]),
  ['channelAffine', shapes().map((s) => ({ ...s, op: { ...base, kind: 'channelAffine', channels: s.shape[2] } }))],
  ['add', combinations('add')],
  ['mul', combinations('mul')],
  ['mul as a gate', combinations('gate')],
  ['concat', combinations('concat')],
  ['maximum pooling', pools('maxPool')],
  ['average pooling', pools('averagePool')],
  ['global average pooling', shapes().map((s) => ({ ...s, op: { ...base, kind: 'globalAveragePool' } }))],
  ['pad', shapes().map((s, i) => ({ ...s, op: { ...base, kind: 'pad', padding: [i % 3, 1, (i + 1) % 2, 2], value: i / 8 } }))],
  [
    'pad that cuts off',
    shapes()
      .filter(({ shape }) => shape[0] > 2 && shape[1] > 2)
      .flatMap((s, i) => paddingsThatCut.map((padding): Case => ({ ...s, op: { ...base, kind: 'pad', padding, value: i / 8 } }))),
  ],
  ['flatten', shapes().map((s) => ({ ...s, op: { ...base, kind: 'flatten' } }))],
  ['dropout', shapes().map((s, i) => ({ ...s, op: { ...base, kind: 'dropout', probability: [0, 0.2, 0.5][i % 3] ?? 0 } }))],
  ['softmax', shapes().map((s) => ({ ...s, op: { ...base, kind: 'softmax' } }))],
  [
    'linear',
    shapes().map((s, i) => ({
      ...s,
      op: {
        ...base,
        kind: 'linear',
        inFeatures: s.shape[0] * s.shape[1] * s.shape[2],
        outFeatures: outputCounts[i % outputCounts.length] ?? 1,
        bias: i % 2 === 0,
      },
    })),
  ],
];

/** Sums that cancel are held against what they were summed from; 0 where nothing does. */
interface Floors {
  readonly output: number;
  readonly dInput: number;
}

/** Batch norm's output is x * scale + shift, its gradient a difference of three terms: both may cancel to much less. */
function floorsOf({ op }: Case, { inputs, parameters }: NativeOperatorCall): Floors {
  if (op.kind !== 'batchNorm') return { output: 0, dInput: 0 };
  const x = inputs[0] ?? new Float64Array();
  const rows = x.length / op.channels;
  const scales = Array.from({ length: op.channels }, (_, channel) => {
    const own = x.filter((_, i) => i % op.channels === channel);
    const mean = own.reduce((sum, v) => sum + v, 0) / rows;
    const variance = own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / rows;
    return Math.abs(parameters['gamma']?.[channel] ?? 0) / Math.sqrt(variance + op.epsilon);
  });
  return { output: largest(scales) * largest(x), dInput: largest(scales) };
}

interface Prepared {
  readonly call: NativeOperatorCall;
  readonly slow: NativeOperatorResult;
  readonly floors: Floors;
}

function prepare(one: Case, training: boolean): Prepared {
  const { op, batch, shape } = one;
  const random = Random.fromSeed(5).derive(JSON.stringify([op, batch, shape]));
  const [height, width, channels] = shape;
  const { shapes = [shape] } = one;
  const inputs = shapes.map((extents) => values(random, batch * extents[0] * extents[1] * extents[2], 8));
  const parameters = parametersFor(random, op);
  const forward: NativeOperatorCall = { op, batch, height, width, channels, shapes, training, inputs, parameters, seed: 3, step: 7 };
  const outputLength = runOperator(forward, 'reference').output.length;
  const backward = op.kind !== 'softmax' && (training || (op.kind !== 'batchNorm' && op.kind !== 'dropout'));
  const call = backward ? { ...forward, dOutput: values(random, outputLength) } : forward;
  return { call, slow: runOperator(call, 'reference'), floors: floorsOf(one, call) };
}

/** What the fast kernels get wrong, as text; empty where nothing. */
function differences({ call, slow, floors }: Prepared, fast = runOperator(call, 'fast')): string[] {
  const { op, batch, height, width, channels, training } = call;
  const bad: string[] = [];
  const compare = (what: string, found: Float64Array | undefined, expected: Float64Array, tolerance: number, floor = 1e-6): void => {
    if (isClose(found ?? [], expected, tolerance, floor)) return;
    bad.push(`${what} of ${JSON.stringify(op)}, batch ${batch}, ${height}x${width}x${channels}, ${training ? 'training' : 'inference'}`);
  };
  compare('output', fast.output, slow.output, forwardTolerance, floors.output);
  slow.dInputs?.forEach((expected, i) => compare(`dInputs[${i}]`, fast.dInputs?.[i], expected, backwardTolerance, floors.dInput));
  for (const [role, expected] of Object.entries(slow.dParameters ?? {})) {
    compare(`d${role}`, fast.dParameters?.[role], expected, backwardTolerance, 0.1);
  }
  if (training) {
    for (const [role, expected] of Object.entries(slow.state)) compare(role, fast.state[role], expected, forwardTolerance);
  }
  return bad;
}

describe('the fast kernels agree with their slow twins, at every instruction set, with 1 and 2 threads:', () => {
  it.each(families)(
    '%s',
    (_, cases) => {
      expect(cases.length).toBeGreaterThan(50);
      const prepared = cases.flatMap((one) => (one.op.kind === 'softmax' ? [] : [prepare(one, true)]).concat(prepare(one, false)));
      let single: readonly NativeOperatorResult[] = [];
      atEveryLevel((level, threads) => {
        const results = prepared.map(({ call }) => runOperator(call, 'fast'));
        const wrong = prepared.flatMap((one, i) => differences(one, results[i]));
        expect(wrong, `${level}, ${threads} threads`).toEqual([]);
        if (threads === 1) single = results;
        else expect(results.every((result, i) => isDeepStrictEqual(result, single[i]))).toBe(true);
      });
    },
    120_000,
  );

  it('large tensors, which are cut into many chunks', () => {
    const large: readonly Case[] = [
      {
        op: convolution(24, 40, [1, 1], { bias: true }),
        batch: 5,
        shape: [33, 31, 24],
      },
      {
        op: convolution(20, 20, [3, 3], { groups: 20 }),
        batch: 5,
        shape: [33, 31, 20],
      },
      {
        op: convolution(3, 12, [3, 3], { stride: [2, 2], bias: true }),
        batch: 5,
        shape: [33, 31, 3],
      },
      { op: { ...base, kind: 'batchNorm', channels: 8, epsilon: 1e-3, momentum: 0.1 }, batch: 5, shape: [33, 31, 8] },
      { op: { ...base, kind: 'globalAveragePool' }, batch: 40, shape: [33, 31, 8] },
      { op: { ...base, kind: 'maxPool', kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1] }, batch: 9, shape: [33, 31, 20] },
      { op: { ...base, kind: 'dropout', probability: 0.3 }, batch: 9, shape: [33, 31, 20] },
      { op: { ...base, kind: 'swish' }, batch: 9, shape: [33, 31, 20] },
      {
        op: { kind: 'mul', name: 'op', inputs: [0, 1], output: 2 },
        batch: 9,
        shape: [33, 31, 20],
        shapes: [
          [33, 31, 20],
          [1, 1, 20],
        ],
      },
      {
        op: { kind: 'concat', name: 'op', inputs: [0, 1], output: 2 },
        batch: 9,
        shape: [33, 31, 20],
        shapes: [
          [33, 31, 20],
          [33, 31, 13],
        ],
      },
      {
        op: convolution(24, 40, [3, 3], { groups: 4, bias: true }),
        batch: 5,
        shape: [33, 31, 24],
      },
      {
        op: convolution(20, 20, [3, 5], { stride: [1, 2], groups: 20, bias: true }),
        batch: 5,
        shape: [33, 31, 20],
      },
    ];
    const prepared = large.map((one) => prepare(one, true));
    let single: readonly NativeOperatorResult[] = [];
    atEveryLevel((level, threads) => {
      const results = prepared.map(({ call }) => runOperator(call, 'fast'));
      expect(
        prepared.flatMap((one, i) => differences(one, results[i])),
        `${level}, ${threads} threads`,
      ).toEqual([]);
      if (threads === 1) single = results;
      else expect(results.every((result, i) => isDeepStrictEqual(result, single[i]))).toBe(true);
    });
  }, 300_000);

  it('batch norm of values whose mean is large against their deviation', () => {
    const random = Random.fromSeed(8);
    const channels = 9;
    const op: NativeOp = { ...base, kind: 'batchNorm', channels, epsilon: 1e-5, momentum: 1 };
    const x = values(random, 64 * 6 * 6 * channels).map((v) => Math.fround(1000 + v));
    const call: NativeOperatorCall = {
      op,
      batch: 64,
      height: 6,
      width: 6,
      channels,
      training: true,
      inputs: [x],
      parameters: parametersFor(random, op),
    };
    atEveryLevel(() => {
      const fast = runOperator(call, 'fast').state['runningVariance'] ?? [];
      const slow = runOperator(call, 'reference').state['runningVariance'] ?? [];
      expect(isClose(fast, slow, 1e-4)).toBe(true); // sums around zero would be off by far more than 1
    });
  });

  it('not a number comes out of every activation and of pooling, so that a training that goes wrong is noticed', () => {
    const channels = 9;
    const window = { kernel: pair(2), stride: pair(1), padding: around(0) };
    const ops: readonly NativeOp[] = [
      ...activations,
      { ...base, kind: 'maxPool', ...window },
      { ...base, kind: 'averagePool', ...window, countPadding: false },
    ];
    const inputs = [new Float64Array(4 * channels).fill(1)];
    inputs[0]?.fill(Number.NaN, channels, 2 * channels); // the second pixel
    atEveryLevel((level) => {
      for (const op of ops) {
        for (const training of [true, false]) {
          const call = { op, batch: 1, height: 2, width: 2, channels, training, inputs, parameters: {} };
          expect(runOperator(call, 'fast').output.some(Number.isNaN), `${op.kind}, ${level}`).toBe(true);
        }
      }
    });
  });

  it('dropout drops the share that it is asked to, others with another seed or step, and keeps the mean', () => {
    const op: NativeOp = { ...base, kind: 'dropout', probability: 0.3 };
    const inputs = [new Float64Array(64 * 64 * 16).fill(1)];
    const draw = (seed: number, step: number): Float64Array =>
      runOperator({ op, batch: 1, height: 64, width: 64, channels: 16, training: true, inputs, parameters: {}, seed, step }, 'fast').output;
    const first = draw(1, 0);
    const dropped = first.filter((y) => y === 0).length / first.length;
    expect(Math.abs(dropped - 0.3)).toBeLessThan(0.01); // 65,536 draws: the deviation is 0.0018
    expect(Math.abs(first.reduce((sum, y) => sum + y, 0) / first.length - 1)).toBeLessThan(0.015);
    for (const other of [draw(2, 0), draw(1, 1)]) {
      const agree = other.filter((y, i) => (y === 0) === (first[i] === 0)).length / first.length;
      expect(Math.abs(agree - (0.3 * 0.3 + 0.7 * 0.7))).toBeLessThan(0.01); // as independent draws do
    }
  });
});
