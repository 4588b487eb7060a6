/** The works as ONNX files, for ONNX Runtime. Values are random of about unit gain: zeros or denormals would change the timing. */
import onnxProto from 'onnx-proto';
import { createModel } from '../src/main/compute/index.ts';
import type { Graph } from '../src/main/network/graph.ts';
import { exportOnnx } from '../src/main/network/onnx/export.ts';
import { initialParameters, toNativeProgram } from '../src/main/network/program.ts';
import { valuesOfState } from '../src/main/network/values.ts';
import { Random } from '../src/shared/random.ts';
import { paddingOf } from './works.ts';
import type { ConvShape } from './works.ts';

const { AttributeProto, ModelProto, TensorProto } = onnxProto.onnx;

export function writeNetworkModel(graph: Graph): Uint8Array {
  const model = createModel(toNativeProgram(graph));
  const values = valuesOfState(model.parameters, initialParameters(model.parameters, Random.fromSeed(1)));
  return exportOnnx(graph, (op, role) => values.get(op)?.[role], { producerVersion: 'bench' }).bytes;
}

export function writeConvModel(conv: ConvShape): Uint8Array {
  const { inChannels, outChannels, kernel, stride, groups, side, batch } = conv;
  const random = Random.fromSeed(1);
  const weight = Float32Array.from({ length: (outChannels * inChannels * kernel ** 2) / groups }, () => random.normal(0, 0.1));
  const ints = (name: string, values: readonly number[]) => ({ name, type: AttributeProto.AttributeType.INTS, ints: [...values] });
  const padding = paddingOf(conv);
  const tensor = (name: string, dims: readonly number[]) => ({
    name,
    type: { tensorType: { elemType: TensorProto.DataType.FLOAT, shape: { dim: dims.map((dimValue) => ({ dimValue })) } } },
  });
  const outSide = Math.ceil(side / stride);
  return ModelProto.encode({
    irVersion: 8,
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'conv',
      node: [
        {
          opType: 'Conv',
          input: ['input', 'weight'],
          output: ['output'],
          attribute: [
            ints('kernel_shape', [kernel, kernel]),
            ints('strides', [stride, stride]),
            ints('pads', [padding, padding, padding, padding]),
            { name: 'group', type: AttributeProto.AttributeType.INT, i: groups },
          ],
        },
      ],
      initializer: [
        {
          name: 'weight',
          dataType: TensorProto.DataType.FLOAT,
          dims: [outChannels, inChannels / groups, kernel, kernel],
          rawData: new Uint8Array(weight.buffer),
        },
      ],
      input: [tensor('input', [batch, inChannels, side, side])],
      output: [tensor('output', [batch, outChannels, outSide, outSide])],
    },
  }).finish();
}
