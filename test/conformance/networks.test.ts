/** MobileNet-V1 1.0 and 0.75 and MobileNet-V2 at 224 x 224, layer by layer, against tables counted from the papers. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeNetwork } from '../../src/main/network/describe.ts';
import { absentNote, readReference, referenceFolder } from './reference.ts';

const tableSchema = z.object({
  totals: z.object({ macs: z.number(), params_with_bn_and_bias: z.number() }),
  layers: z.array(
    z.object({
      type: z.enum(['conv3x3', 'conv1x1', 'dw', 'linear']),
      cin: z.number(),
      cout: z.number(),
      k: z.number(),
      stride: z.number(),
      groups: z.number(),
      hin: z.number(),
      hout: z.number(),
      weights: z.number(),
      bias: z.number(),
      bn_params: z.number(),
      macs: z.number(),
    }),
  ),
});
const kinds = { conv3x3: 'conv', conv1x1: 'pointwise', dw: 'depthwise', linear: 'linear' } as const;

describe.skipIf(referenceFolder === null)(`layer tables counted from the papers${absentNote}`, () => {
  it.each([
    ['mobilenet_v1_1.0', 'mobilenet-v1', 28],
    ['mobilenet_v1_0.75', 'mobilenet-v1-0.75', 28],
    ['mobilenet_v2_1.0', 'mobilenet-v2', 53],
  ])('%s', (key, id, count) => {
    const table = z.record(z.string(), tableSchema).parse(JSON.parse(readReference('layer-tables.json')))[key];
    const info = describeNetwork({ id });
    const found = info.layers.flatMap((layer, index) => {
      if (layer.kind === null) return [];
      const next = info.layers[index + 1];
      const [spatialIn, channelsIn] = layer.inputShape.length === 1 ? [1, layer.inputShape[0]] : [layer.inputShape[0], layer.inputShape[2]];
      const [spatialOut, channelsOut] =
        layer.outputShape.length === 1 ? [1, layer.outputShape[0]] : [layer.outputShape[0], layer.outputShape[2]];
      return [
        {
          kind: layer.kind,
          shape: [channelsIn, channelsOut, spatialIn, spatialOut],
          window: [layer.kernel ?? [1, 1], layer.stride ?? [1, 1], layer.groups ?? 1],
          params: layer.params,
          batchNorm: next?.op === 'batchNorm' ? next.params : 0,
          macs: layer.macs,
        },
      ];
    });
    const expected = table?.layers.map((row) => ({
      kind: kinds[row.type],
      shape: [row.cin, row.cout, row.hin, row.hout],
      window: [[row.k, row.k], [row.stride, row.stride], row.groups],
      params: row.weights + row.bias,
      batchNorm: row.bn_params,
      macs: row.macs,
    }));
    expect(expected).toHaveLength(count);
    expect(found).toEqual(expected);
    expect([info.macs, info.params]).toEqual([table?.totals.macs, table?.totals.params_with_bn_and_bias]);
  });
});
