import onnxProto from 'onnx-proto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importOnnx, type ImportedNetwork, type ImportOptions } from './import.ts';
import { elementTypes } from './tensor.ts';
import { floats, ints, modelBytes, node, scalar, smallClassifier, type TestModel } from './test-kit.ts';

function read(model: TestModel, options: ImportOptions = {}): ImportedNetwork {
  return importOnnx('net.onnx', modelBytes(model), options);
}

/** Kinds in order, as in 'conv relu linear'. */
function kinds({ graph }: ImportedNetwork): string {
  return graph.nodes.map(({ spec }) => spec.kind).join(' ');
}

const head = [node('GlobalAveragePool', 'last', 'p'), node('Flatten', 'p', 'f'), node('Gemm', 'f fw', 'y', { transB: 1 })];

describe('what is refused', () => {
  const refused: readonly (readonly [string, TestModel, string | RegExp])[] = [
    [
      'an operator, with its name and what would help',
      { nodes: [node('Resize', 'x', 'y', {}, { name: 'up' })] },
      'net.onnx: the operator Resize up is not taken: networks that enlarge images are not taken; Lathe works on classifiers: cut the network where its features are pooled',
    ],
    [
      'an operator of another domain',
      { nodes: [node('Gelu', 'x', 'y', {}, { name: 'g', domain: 'com.microsoft' })] },
      'net.onnx: the operator Gelu g is not taken: it is of the operators of com.microsoft; export the network with standard ONNX operators alone',
    ],
    [
      'several inputs',
      { nodes: [node('Add', 'x z', 'y')], moreInputs: ['z'] },
      'net.onnx: it reads 2 inputs (x, z); a network of one image is taken: make the others constants in the export',
    ],
    [
      'several outputs',
      { nodes: [node('Relu', 'x', 'a'), node('Relu', 'x', 'b')], output: ['a', 'b'] },
      'net.onnx: it has 2 outputs (a, b); choose one with --output',
    ],
    ['an output that is an image', { nodes: [node('Relu', 'x', 'y')] }, /not a vector of class scores; Lathe works on classifiers/],
    [
      'an input of a free number of channels',
      { input: { dims: ['N', 'C', 8, 8] }, nodes: [node('Relu', 'x', 'y')] },
      /dimension 2 of its input x is free/,
    ],
    ['an old operator set', { nodes: [node('Reshape', 'x', 'y')], opset: 4 }, /uses operator set 4; 7 and newer are read: convert it with/],
    [
      'weights for other channels',
      { nodes: [node('Conv', 'x w', 'y', {}, { name: 'c1' })], weights: { w: floats([4, 5, 1, 1]) } },
      'Conv c1: its weights are for 5 channels, its image has 3',
    ],
    [
      'a channel shuffle',
      { nodes: [node('Reshape', 'x s', 'y', {}, { name: 'r' })], input: { dims: [1, 4, 8, 8] }, weights: { s: ints([1, 2, 2, 8, 8]) } },
      /^Reshape r: from 1 x 4 x 8 x 8 to 1 x 2 x 2 x 8 x 8 it cuts a dimension in two, as a channel shuffle or attention does/,
    ],
    [
      'weights that are not finite',
      { nodes: [node('Conv', 'x w', 'last'), ...head], weights: { w: floats([1, 3, 1, 1], [1, Infinity, 1]), fw: floats([2, 1]) } },
      'last: its weight holds values that are not finite; the training that made them went wrong',
    ],
    ['a name that nothing gives', { nodes: [node('Conv', 'x nothing', 'y')] }, /reads nothing, which nothing in the file gives/],
    [
      'batch norm in training',
      { nodes: [node('BatchNormalization', 'x a a a a', 'y', { training_mode: 1 })], weights: { a: floats([3]) } },
      /it is in training mode; export the network for inference/,
    ],
    [
      'attention',
      { nodes: [node('Relu', 'x', 'a'), node('MatMul', 'x a', 'y')] },
      /features times features, as attention has it, are not taken/,
    ],
    ['operators that read each other', { nodes: [node('Add', 'x b', 'a'), node('Relu', 'a', 'b')] }, /read each other in a circle/],
    ['a reduction of the channels', { nodes: [node('ReduceMean', 'x', 'y', { axes: [1] })] }, /it reduces the batch or the channels/],
    [
      'a padding that mirrors',
      { nodes: [node('Pad', 'x p', 'y', { mode: 'reflect' })], weights: { p: ints([0, 0, 1, 1, 0, 0, 1, 1]) } },
      /padding of mode reflect is not taken/,
    ],
  ];
  it.each(refused)('%s', (_, model, sentence) => {
    expect(() => read(model)).toThrow(sentence);
  });

  it('weights in another file, naming that', () => {
    const w = {
      dims: [4, 3, 1, 1],
      dataType: elementTypes.float,
      dataLocation: onnxProto.onnx.TensorProto.DataLocation.EXTERNAL,
      externalData: [{ key: 'location', value: 'weights.bin' }],
    };
    expect(() => read({ nodes: [node('Conv', 'x w', 'y')], weights: { w } })).toThrow(
      'weights w: its values lie outside, in the file weights.bin; save the model in one file (onnx.save(onnx.load(path), out) does) and import that',
    );
  });

  it('recurrent and branching networks of others, politely', () => {
    const folder = join(dirname(createRequire(import.meta.url).resolve('@ricky0123/vad-web')));
    expect(() => importOnnx('silero_vad_v5.onnx', readFileSync(join(folder, 'silero_vad_v5.onnx')))).toThrow(
      'silero_vad_v5.onnx: the operator If If_0 is not taken: a network whose operators depend on its input cannot be searched; export it with a fixed path',
    );
  });
});

describe('layout', () => {
  it('reorders the weights behind a flattened image from C, H, W to H, W, C', () => {
    const network = read({
      input: { dims: [1, 3, 2, 1] },
      nodes: [node('Flatten', 'x', 'f', {}, { name: 'flat' }), node('Gemm', 'f w', 'y', { transB: 1 }, { name: 'fc' })],
      weights: { w: floats([1, 6], [1, 2, 3, 4, 5, 6]) }, // of (C, H): 00 01 10 11 20 21
    });
    expect(kinds(network)).toBe('flatten linear');
    expect([...(network.values.get('fc')?.['weight'] ?? [])]).toEqual([1, 3, 5, 2, 4, 6]); // of (H, C): 00 10 20 01 11 21
  });

  it('follows a transposition to channels last and flattens in that order', () => {
    const network = read({
      input: { dims: [1, 2, 2, 1] },
      nodes: [
        node('Transpose', 'x', 't', { perm: [0, 2, 3, 1] }),
        node('Reshape', 't s', 'f'),
        node('MatMul', 'f w', 'y', {}, { name: 'fc' }),
      ],
      weights: { w: floats([4, 1], [1, 2, 3, 4]), s: ints([1, -1]) },
    });
    expect([...(network.values.get('fc')?.['weight'] ?? [])]).toEqual([1, 2, 3, 4]);
  });

  it('takes an image with channels last, as TensorFlow has it', () => {
    const network = read({
      input: { dims: ['N', 6, 8, 3] },
      nodes: [
        node('Transpose', 'x', 't', { perm: [0, 3, 1, 2] }),
        node('Conv', 't w', 'last', { auto_pad: 'SAME_UPPER', strides: [2, 2] }, { name: 'conv' }),
        node('ReduceMean', 'last', 'p', { axes: [2, 3], keepdims: 0 }, { name: 'mean' }),
        node('MatMul', 'p fw', 'm', {}, { name: 'dense' }),
        node('Add', 'm fb', 'a', {}, { name: 'dense/bias' }),
        node('Softmax', 'a', 'y', { axis: -1 }),
      ],
      weights: { w: floats([4, 3, 3, 3]), fw: floats([4, 7]), fb: floats([7]) },
    });
    expect(network.graph.inputShape).toEqual([6, 8, 3]);
    expect(kinds(network)).toBe('conv globalAveragePool linear');
    expect(network.graph.nodes[0]?.spec).toMatchObject({ padding: [0, 0, 1, 1], stride: [2, 2] });
    expect(network.graph.nodes[2]?.spec).toMatchObject({ name: 'dense/bias', outFeatures: 7, bias: true });
    expect(network.notes).toEqual(['the final Softmax was taken off: the network ends in logits, of which the largest is the same class']);
  });

  it('reads what an exporter writes for a flattening of unknown batch', () => {
    const network = read({
      nodes: [
        node('Conv', 'x w', 'c', { kernel_shape: [1, 1] }, { name: 'conv' }),
        node('GlobalAveragePool', 'c', 'p'),
        node('Shape', 'p', 's'),
        node('Gather', 's zero', 'n', { axis: 0 }),
        node('Unsqueeze', 'n first', 'u'),
        node('Concat', 'u minus', 'shape', { axis: 0 }),
        node('Reshape', 'p shape', 'f'),
        node('Gemm', 'f fw', 'y', { transB: 1 }),
      ],
      weights: { w: floats([4, 3, 1, 1]), zero: { ...ints([0]), dims: [] }, first: ints([0]), minus: ints([-1]), fw: floats([5, 4]) },
    });
    expect(kinds(network)).toBe('conv globalAveragePool linear');
  });
});

describe('activations in written-out forms', () => {
  const weights = { w: floats([4, 3, 1, 1]), three: scalar(3), six: scalar(6), zero: scalar(0), fw: floats([2, 4]) };
  const conv = node('Conv', 'x w', 'c', {}, { name: 'conv' });
  const forms: readonly (readonly [string, readonly ReturnType<typeof node>[], string])[] = [
    [
      'x * relu6(x + 3) / 6',
      [node('Add', 'c three', 'a'), node('Clip', 'a zero six', 'b'), node('Mul', 'c b', 'm'), node('Div', 'm six', 'last')],
      'hardSwish',
    ],
    [
      'x * (relu6(x + 3) / 6)',
      [node('Add', 'c three', 'a'), node('Clip', 'a zero six', 'b'), node('Div', 'b six', 'd'), node('Mul', 'd c', 'last')],
      'hardSwish',
    ],
    [
      'x * hardSigmoid(x)',
      [node('HardSigmoid', 'c', 'h', { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }), node('Mul', 'c h', 'last')],
      'hardSwish',
    ],
    ['x * sigmoid(x)', [node('Sigmoid', 'c', 'h'), node('Mul', 'c h', 'last')], 'swish'],
    ['relu6(x + 3) / 6', [node('Add', 'c three', 'a'), node('Clip', 'a zero six', 'b'), node('Div', 'b six', 'last')], 'hardSigmoid'],
    ['hardSigmoid of another slope, times x', [node('HardSigmoid', 'c', 'h'), node('Mul', 'c h', 'last')], 'hardSigmoid mul'],
  ];
  it.each(forms)('%s', (_, nodes, expected) => {
    expect(kinds(read({ nodes: [conv, ...nodes, ...head], weights }))).toBe(`conv ${expected} globalAveragePool linear`);
  });
});

describe('constants', () => {
  it('of one value a channel become scale and shift, or the bias of what is before them', () => {
    const weights = { w: floats([2, 3, 1, 1]), s: floats([2, 1, 1], [2, 4]), t: floats([1, 2, 1, 1], [1, -1]), fw: floats([2, 2]) };
    const scaled = read({ nodes: [node('Conv', 'x w', 'c'), node('Mul', 'c s', 'm'), node('Sub', 'm t', 'last'), ...head], weights });
    expect(kinds(scaled)).toBe('conv channelAffine globalAveragePool linear');
    expect(scaled.values.get('last')).toEqual({ scale: Float32Array.of(2, 4), shift: Float32Array.of(-1, 1) });
    const shifted = read({ nodes: [node('Conv', 'x w', 'c'), node('Add', 't c', 'last'), ...head], weights });
    expect(kinds(shifted)).toBe('conv globalAveragePool linear');
    expect(shifted.values.get('last')?.['bias']).toEqual(Float32Array.of(1, -1));
  });

  it('are read in every encoding', () => {
    const values = [0.5, -1.25, 3];
    const half = [0x3800, 0xbd00, 0x4200];
    const encodings = {
      raw: floats([1, 3, 1, 1], values),
      list: { dims: [1, 3, 1, 1], dataType: elementTypes.float, floatData: values },
      double: { dims: [1, 3, 1, 1], dataType: elementTypes.double, doubleData: values },
      half: { dims: [1, 3, 1, 1], dataType: elementTypes.float16, rawData: new Uint8Array(Uint16Array.from(half).buffer) },
      halfList: { dims: [1, 3, 1, 1], dataType: elementTypes.float16, int32Data: half },
      brain: {
        dims: [1, 3, 1, 1],
        dataType: elementTypes.bfloat16,
        rawData: new Uint8Array(Uint16Array.of(0x3f00, 0xbfa0, 0x4040).buffer),
      },
    };
    for (const [name, w] of Object.entries(encodings)) {
      const network = read({ nodes: [node('Conv', 'x w', 'last'), ...head], weights: { w, fw: floats([2, 1]) } });
      expect([...(network.values.get('last')?.['weight'] ?? [])], name).toEqual(values);
    }
  });

  it('converted from 16 bits are noted', () => {
    const w = { dims: [1, 3, 1, 1], dataType: elementTypes.float16, int32Data: [0, 0, 0] };
    expect(read({ nodes: [node('Conv', 'x w', 'last'), ...head], weights: { w, fw: floats([2, 1]) } }).notes).toEqual([
      'weights of float16 were converted to float32',
    ]);
  });

  it('of quantizers become weights and bits', () => {
    const codes = { dims: [1, 3, 1, 1], dataType: elementTypes.int4, rawData: Uint8Array.of(0xf1, 0x07) }; // 1, -1, 7
    const network = read({
      opset: 21,
      nodes: [
        node('QuantizeLinear', 'x as az', 'q'),
        node('DequantizeLinear', 'q as az', 'd'),
        node('DequantizeLinear', 'codes ws', 'w'),
        node('Conv', 'd w', 'last', {}, { name: 'conv' }),
        ...head,
      ],
      weights: {
        codes,
        ws: scalar(0.5),
        as: scalar(0.1),
        az: { dims: [], dataType: elementTypes.uint8, rawData: Uint8Array.of(0) },
        fw: floats([2, 1]),
      },
    });
    expect([...(network.values.get('conv')?.['weight'] ?? [])]).toEqual([0.5, -0.5, 3.5]);
    expect(network.bits).toEqual([{ name: 'conv', weightBits: 4, activationBits: 8 }]);
    expect(network.notes).toEqual([
      'activations are not rounded to the scales of QuantizeLinear; their bits are kept for the layers that read them',
    ]);
  });
});

describe('windows', () => {
  it('in ceil mode get the padding that gives the same positions', () => {
    const pooled = (size: number): unknown =>
      read(
        {
          input: { dims: [1, 1, size, size] },
          nodes: [node('MaxPool', 'x', 'y', { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 })],
        },
        { isExact: true },
      ).graph.nodes[0]?.spec;
    expect(pooled(5)).toMatchObject({ padding: [0, 0, 0, 0] });
    expect(pooled(6)).toMatchObject({ padding: [0, 0, 1, 1] });
  });

  it('that pad by their own width and more are padded before', () => {
    const network = read({
      nodes: [node('Conv', 'x w', 'last', { pads: [1, 0, 0, 1] }, { name: 'conv' }), ...head],
      weights: { w: floats([2, 3, 1, 1]), fw: floats([2, 2]) },
    });
    expect(kinds(network)).toBe('pad conv globalAveragePool linear');
    expect(network.graph.nodes[1]?.outputShape).toEqual([9, 9, 2]);
  });
});

it('names what it left out, what it took and what it found', () => {
  const network = read({
    input: { dims: ['batch', 3, 'height', 'width'] },
    nodes: [node('Conv', 'x w', 'last'), node('Relu', 'x', 'unused'), ...head],
    weights: { w: floats([2, 3, 1, 1]), fw: floats([2, 2]) },
  });
  expect(network.graph.inputShape).toEqual([224, 224, 3]);
  expect(network.notes).toEqual([
    '1 operator that the output does not need: left out',
    'the file leaves the height or width of its image free: 224 pixels were taken; --input-size chooses others',
  ]);
});

it('takes the height and width that are asked for', () => {
  const bytes = smallClassifier();
  expect(importOnnx('net.onnx', bytes, { inputSize: [16, 24] }).graph.inputShape).toEqual([16, 24, 3]);
});

it('keeps batch norm with its decimals and ONNX momentum turned round', () => {
  const network = importOnnx('net.onnx', smallClassifier());
  expect(network.graph.nodes.map(({ spec }) => spec.name)).toEqual(['conv', 'bn', 'relu', 'pool', 'fc']);
  expect(network.graph.nodes[1]?.spec).toMatchObject({ epsilon: 1e-5, momentum: 0.1 });
});

it('ends in one sentence for every beginning of a file, and for a byte too many', () => {
  const bytes = smallClassifier();
  for (let length = 0; length < bytes.length; length += 1) {
    expect(() => importOnnx('net.onnx', bytes.subarray(0, length)), String(length)).toThrow(/^[^\n]{10,400}$/);
  }
  expect(() => importOnnx('net.onnx', Uint8Array.of(...bytes, 0x3a))).toThrow(/cut off or damaged/);
  expect(() => importOnnx('net.onnx', bytes.subarray(0, 500))).toThrow(
    /^net\.onnx: it is cut off or damaged: its graph has \d+ bytes, and/,
  );
});

it('tells a text in the place of a model', () => {
  const pointer = new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n');
  expect(() => importOnnx('net.onnx', pointer)).toThrow(
    'net.onnx: it is a text, not an ONNX model (it begins "version https://git-lfs.github.com/spec/"); choose the model itself',
  );
});

describe('hostile files', () => {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
  const message = (field: number, content: readonly number[]): number[] => [
    ...varint(field * 8 + 2),
    ...varint(content.length),
    ...content,
  ];

  it('nested without end are refused', () => {
    let graph: number[] = [];
    for (let depth = 0; depth < 200; depth += 1) graph = message(1, message(5, message(6, graph)));
    expect(() => importOnnx('net.onnx', Uint8Array.from(message(7, graph)))).toThrow(/nested more than 40 deep/);
  });

  it('with lengths beyond their end, and groups, are refused', () => {
    expect(() => importOnnx('net.onnx', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f))).toThrow(/cut off or damaged/);
    expect(() => importOnnx('net.onnx', Uint8Array.from(new Array<number>(100_000).fill(0x0b)))).toThrow(/cut off or damaged/);
  });

  it('of millions of empty operators are refused before objects are made of them', () => {
    const nodes = new Uint8Array(20_000_000);
    for (let at = 0; at < nodes.length; at += 2) nodes[at] = 0x0a; // node {}
    const header = Uint8Array.from([0x3a, ...varint(nodes.length)]);
    const bytes = new Uint8Array(header.length + nodes.length);
    bytes.set(header);
    bytes.set(nodes, header.length);
    expect(() => importOnnx('net.onnx', bytes)).toThrow(/more than 4000000 fields/);
  });

  it('with shapes that no memory holds are refused', () => {
    const w = { ...floats([1, 3, 1, 1]), dims: [100_000, 100_000, 100_000, 100_000] };
    expect(() => read({ nodes: [node('Conv', 'x w', 'y')], weights: { w } })).toThrow(/none that can be held/);
    const shape = ints([100_000, 100_000]);
    expect(() => read({ nodes: [node('ConstantOfShape', 's', 'w'), node('Conv', 'x w', 'y')], weights: { s: shape } })).toThrow(
      /is too large/,
    );
  });
});
