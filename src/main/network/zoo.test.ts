/** The MobileNets: published totals, variants fitted to a data set, and what a wrong reference is told. */
import { describe, expect, it } from 'vitest';
import { describeNetwork, listNetworks, networkLabel, networkTitle, quantizableLayerInfos } from './describe.ts';
import { networkIdOf, networkIds, requireZooNetwork, resolveNetwork } from './zoo.ts';

const fashion = { shape: [28, 28, 1], classes: 10 } as const;

describe('resolveNetwork, misuse', () => {
  it('lists what it knows for an unknown id, and the nearest', () => {
    expect(() => resolveNetwork({ id: 'mobilnet-v2' })).toThrow(
      expect.objectContaining({
        code: 'not-found',
        message: 'there is no network mobilnet-v2; did you mean mobilenet-v2 or mobilenet-v1 or mobilenet-v2-0.5? "network list" shows all',
      }),
    );
    expect(() => resolveNetwork({ id: 'resnet50' })).toThrow(
      /; did you mean resnet-50 or resnet-20 or resnet-56\? "network list" shows all$/,
    );
    expect(() => resolveNetwork({ id: 'yolo' })).toThrow(/^there is no network yolo; "network list" shows all$/);
    expect(() => {
      requireZooNetwork('my-nets', ['my-net', 'other']);
    }).toThrow(/^there is no network my-nets; did you mean my-net\? your own: my-net, other; "network list" shows all$/);
    expect(() => resolveNetwork({ id: 'mobilenet-v1-amc-50-flops-0.5' })).toThrow(/behind mobilenet-v1- a width above 0/);
    expect(() => resolveNetwork({ id: 'mobilenet-v1-amc-50-time', width: 0.5 })).toThrow(
      'network mobilenet-v1-amc-50-time: its channels are fixed, found width 0.5; leave the width out',
    );
  });

  it.each([
    ['mobilenet-v1-', 'behind mobilenet-v1- a width above 0 and up to 4 is expected'],
    ['mobilenet-v1-big', 'behind mobilenet-v1- a width above 0 and up to 4 is expected'],
    ['mobilenet-v2-0', 'behind mobilenet-v2- a width above 0 and up to 4 is expected'],
    ['mobilenet-v2-4.5', 'behind mobilenet-v2- a width above 0 and up to 4 is expected'],
    ['mobilenet-v10', 'there is no network mobilenet-v10'],
  ])('refuses %s', (id, message) => {
    expect(() => resolveNetwork({ id })).toThrow(
      expect.objectContaining({ code: 'not-found', message: expect.stringContaining(message) as string }),
    );
  });

  it('refuses two widths that differ', () => {
    expect(() => resolveNetwork({ id: 'mobilenet-v1-0.5', width: 0.25 })).toThrow(
      'network mobilenet-v1-0.5: its name says width 0.5, but width 0.25 is asked for; leave one out',
    );
    expect(resolveNetwork({ id: 'mobilenet-v1-0.5', width: 0.5 }).ref.width).toBe(0.5);
  });

  it('refuses a data set that does not fit the choices made', () => {
    expect(() => resolveNetwork({ id: 'mobilenet-v1', inputSize: 16 }, fashion)).toThrow(
      "network mobilenet-v1: the data set's images of 28 x 28 do not fit into an input of 16 x 16",
    );
    expect(() => resolveNetwork({ id: 'mobilenet-v1', inputChannels: 3 }, fashion)).toThrow(
      "network mobilenet-v1: its input has 3 channels, the data set's images have 1",
    );
    expect(() => resolveNetwork({ id: 'mobilenet-v1', classes: 9 }, fashion)).toThrow(
      'network mobilenet-v1: it tells 9 classes apart, the data set has 10',
    );
  });

  it('refuses an input larger than the contract allows', () => {
    expect(() => resolveNetwork({ id: 'mobilenet-v1' }, { shape: [1500, 20, 3], classes: 2 })).toThrow(
      /network mobilenet-v1: inputSize: .*1024/,
    );
  });
});

describe('resolveNetwork', () => {
  it('takes 224 x 224 x 3, 1000 classes and the large stem where nothing is said', () => {
    expect(resolveNetwork({ id: 'mobilenet-v2' }).ref).toEqual({
      id: 'mobilenet-v2',
      width: 1,
      inputSize: 224,
      inputChannels: 3,
      classes: 1000,
      stem: 'imagenet',
    });
  });

  it.each([
    [[28, 28, 1], 32, 'small'],
    [[32, 32, 3], 32, 'small'],
    [[33, 20, 3], 64, 'small'],
    [[8, 8, 1], 32, 'small'],
    [[64, 65, 3], 96, 'imagenet'],
  ] as const)('fits images of %j into an input of %i with the %s stem', (shape, inputSize, stem) => {
    const { ref } = resolveNetwork({ id: 'mobilenet-v1' }, { shape, classes: 7 });
    expect(ref).toMatchObject({ inputSize, stem, inputChannels: shape[2], classes: 7 });
  });

  it('keeps what was asked for over what fits', () => {
    const { ref } = resolveNetwork({ id: 'mobilenet-v1', inputSize: 48, classes: 12, stem: 'imagenet' }, fashion);
    expect(ref).toMatchObject({ inputSize: 48, classes: 12, stem: 'imagenet', inputChannels: 1 });
  });

  it.each(networkIds)('resolves %s to a reference that resolves to itself', (id) => {
    const first = resolveNetwork({ id }, fashion);
    expect(networkIdOf(first.ref)).toBe(id);
    expect(resolveNetwork(first.ref).ref).toEqual(first.ref);
    expect(resolveNetwork(first.ref).graph).toEqual(first.graph);
  });

  it('keeps the resolution in the first convolution of the small stem, and ends at 2 x 2', () => {
    for (const id of ['mobilenet-v1-0.25', 'mobilenet-v2']) {
      const nodes = resolveNetwork({ id }, fashion).graph.nodes;
      expect(nodes[0]?.outputShape.slice(0, 2)).toEqual([32, 32]);
      expect(nodes.at(-3)?.outputShape.slice(0, 2)).toEqual([2, 2]);
    }
  });
});

describe('the MobileNets at 224 x 224', () => {
  // Our counts; they round to the published ones: Howard et al. 2017, table 6 (569, 325, 149, 41 million MACs; 4.2, 2.6, 1.3, 0.5
  // million parameters) and TF-Slim's page of MobileNet-V2 checkpoints (300, 209, 97, 59 million MACs).
  it.each([
    ['mobilenet-v1', 568_740_352, 4_231_976],
    ['mobilenet-v1-0.75', 325_400_448, 2_585_560],
    ['mobilenet-v1-0.5', 149_497_088, 1_331_592],
    ['mobilenet-v1-0.25', 41_030_272, 470_072],
    ['mobilenet-v2', 300_774_272, 3_504_872],
    ['mobilenet-v2-0.75', 209_069_792, 2_636_424],
    ['mobilenet-v2-0.5', 97_131_840, 1_968_680],
    ['mobilenet-v2-0.35', 59_285_808, 1_677_128],
  ])('%s has %i MACs and %i parameters', (id, macs, params) => {
    const { graph } = resolveNetwork({ id });
    expect([graph.macs, graph.params]).toEqual([macs, params]);
  });

  it('do not shrink the last convolution of V2, and widen it above width 1', () => {
    const last = (id: string): number => quantizableLayerInfos(resolveNetwork({ id }).graph).at(-1)?.inputShape[0] ?? 0;
    expect([last('mobilenet-v2-0.35'), last('mobilenet-v2'), last('mobilenet-v2-1.4')]).toEqual([1280, 1280, 1792]);
  });

  it('have 28 and 53 layers that carry a bit-width', () => {
    const kinds = (id: string): Record<string, number> =>
      quantizableLayerInfos(resolveNetwork({ id }).graph).reduce<Record<string, number>>((counts, { kind }) => {
        if (kind !== null) counts[kind] = (counts[kind] ?? 0) + 1;
        return counts;
      }, {});
    expect(kinds('mobilenet-v1')).toEqual({ conv: 1, depthwise: 13, pointwise: 13, linear: 1 });
    expect(kinds('mobilenet-v2')).toEqual({ conv: 1, depthwise: 17, pointwise: 34, linear: 1 });
  });
});

describe('describeNetwork', () => {
  it('names the variant for a person', () => {
    const { ref } = resolveNetwork({ id: 'mobilenet-v1-0.25' }, fashion);
    expect(networkTitle(ref)).toBe('MobileNet-V1 x0.25, 32 x 32 x 1, 10 classes');
    expect(networkLabel(ref)).toBe('mobilenet-v1 x0.25 @32');
    expect(networkTitle({ ...ref, stem: 'imagenet' })).toBe('MobileNet-V1 x0.25, 32 x 32 x 1, 10 classes, imagenet stem');
    expect(networkTitle(resolveNetwork({ id: 'mobilenet-v2' }).ref)).toBe('MobileNet-V2, 224 x 224 x 3, 1000 classes');
  });

  it('lists every operator, whose counts add up to the totals', () => {
    const info = describeNetwork({ id: 'mobilenet-v2' });
    expect(info.layers).toHaveLength(52 * 2 + 35 + 10 + 2); // convolutions with batch norm, activations, additions, head
    expect(info.layers.reduce((sum, layer) => sum + layer.macs, 0)).toBe(info.macs);
    expect(info.layers.reduce((sum, layer) => sum + layer.params, 0)).toBe(info.params);
    expect(info.layers.find((layer) => layer.name === 'b2_dw')).toEqual({
      name: 'b2_dw',
      op: 'conv',
      kind: 'depthwise',
      macs: 2_709_504,
      params: 864,
      inputShape: [112, 112, 96],
      outputShape: [56, 56, 96],
      kernel: [3, 3],
      stride: [2, 2],
      groups: 96,
    });
  });

  it('gives different variants different hashes, and one variant one hash', () => {
    const hashes = listNetworks().map(({ id }) => describeNetwork({ id }).sha256);
    expect(new Set(hashes).size).toBe(networkIds.length);
    // Pinned: a change of this value orphans every stored run and trained weight.
    expect(describeNetwork({ id: 'mobilenet-v1', width: 0.25 }, fashion).sha256).toBe(
      '8771322d93df74b50a9fd192ce56f5e0e64e5f0a0eb8522fa7f1f13167c67306',
    );
  });
});
