/** The fast kernels against their slow twins: sizes of 1, odd ones and around the vector width, at every instruction set. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../shared/random.ts';
import type { NativeOp, NativeOperatorCall, NativeOperatorResult, Padding, Pair } from './addon.ts';
import { atEveryLevel, isClose, largest, parametersFor, runOperator, values } from './test-kit.ts';

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
  readonly shape: readonly [number, number, number];
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
              op: {
                ...base,
                kind: 'conv' as const,
                inChannels: channels,
                outChannels,
                kernel: pair(kernel),
                stride: pair(stride),
                padding: around(padding),
                dilation: pair(1),
                groups,
                bias,
              },
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
        const op = {
          ...base,
          kind: 'conv' as const,
          inChannels,
          outChannels: groups * groupOut,
          kernel,
          stride,
          padding,
          dilation,
          groups,
        };
        return [{ op: { ...op, bias: (i + j + k) % 2 === 0 }, batch: 1 + ((i + j) % 3), shape: [height, width, inChannels] as const }];
      }),
    ),
  );
}

function pools(): Case[] {
  return shapes().flatMap(({ batch, shape }) =>
    [1, 2, 3].flatMap((kernel) =>
      [1, 2].flatMap((stride) =>
        Math.min(shape[0], shape[1]) < kernel
          ? []
          : [
              {
                op: {
                  ...base,
                  kind: 'averagePool' as const,
                  kernel: pair(kernel),
                  stride: pair(stride),
                  padding: around(0),
                  countPadding: false,
                },
                batch,
                shape,
              },
            ],
      ),
    ),
  );
}

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
  ['ReLU', shapes().map((s) => ({ ...s, op: { ...base, kind: 'relu' } }))],
  ['ReLU6', shapes().map((s) => ({ ...s, op: { ...base, kind: 'relu6' } }))],
  ['add', shapes().map((s) => ({ ...s, op: { kind: 'add', name: 'op', inputs: [0, 1], output: 2 } }))],
  ['average pooling', pools()],
  ['global average pooling', shapes().map((s) => ({ ...s, op: { ...base, kind: 'globalAveragePool' } }))],
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
  const inputs = Array.from({ length: op.kind === 'add' ? 2 : 1 }, () => values(random, batch * height * width * channels, 8));
  const parameters = parametersFor(random, op);
  const forward: NativeOperatorCall = { op, batch, height, width, channels, training, inputs, parameters };
  const outputLength = runOperator(forward, 'reference').output.length;
  const backward = training || op.kind !== 'batchNorm';
  const call = backward ? { ...forward, dOutput: values(random, outputLength) } : forward;
  return { call, slow: runOperator(call, 'reference'), floors: floorsOf(one, call) };
}

/** What the fast kernels get wrong, as text; empty where nothing. */
function differences({ call, slow, floors }: Prepared): string[] {
  const fast = runOperator(call, 'fast');
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
      const prepared = cases.flatMap((one) => [prepare(one, true), prepare(one, false)]);
      atEveryLevel((level, threads) => {
        expect(prepared.flatMap(differences), `${level}, ${threads} threads`).toEqual([]);
      });
    },
    120_000,
  );

  it('large tensors, which are cut into many chunks', () => {
    const large: readonly Case[] = [
      {
        op: {
          ...base,
          kind: 'conv',
          inChannels: 24,
          outChannels: 40,
          kernel: [1, 1],
          stride: [1, 1],
          padding: [0, 0, 0, 0],
          dilation: [1, 1],
          groups: 1,
          bias: true,
        },
        batch: 5,
        shape: [33, 31, 24],
      },
      {
        op: {
          ...base,
          kind: 'conv',
          inChannels: 20,
          outChannels: 20,
          kernel: [3, 3],
          stride: [1, 1],
          padding: [1, 1, 1, 1],
          dilation: [1, 1],
          groups: 20,
          bias: false,
        },
        batch: 5,
        shape: [33, 31, 20],
      },
      {
        op: {
          ...base,
          kind: 'conv',
          inChannels: 3,
          outChannels: 12,
          kernel: [3, 3],
          stride: [2, 2],
          padding: [1, 1, 1, 1],
          dilation: [1, 1],
          groups: 1,
          bias: true,
        },
        batch: 5,
        shape: [33, 31, 3],
      },
      { op: { ...base, kind: 'batchNorm', channels: 8, epsilon: 1e-3, momentum: 0.1 }, batch: 5, shape: [33, 31, 8] },
      { op: { ...base, kind: 'globalAveragePool' }, batch: 40, shape: [33, 31, 8] },
    ];
    const prepared = large.map((one) => prepare(one, true));
    atEveryLevel((level, threads) => {
      expect(prepared.flatMap(differences), `${level}, ${threads} threads`).toEqual([]);
    });
  }, 120_000);

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
});
