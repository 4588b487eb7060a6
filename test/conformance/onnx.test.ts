/**
 * The conformance suite of ONNX against what is read here. A case whose operators are all taken passes as a network, run by our own
 * forward pass, or as constants, computed while a file is read; or it is refused for its form, with the reason. The counts stand
 * in docs/onnx.md and are compared with it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LatheError } from '../../src/shared/errors.ts';
import { createModel } from '../../src/main/compute/index.ts';
import { packValues } from '../../src/main/engine/networks.ts';
import { createGraph, type Graph } from '../../src/main/network/graph.ts';
import { foldNode } from '../../src/main/network/onnx/fold.ts';
import { importModel } from '../../src/main/network/onnx/import.ts';
import { dimSizes, memoryOrder, type Tensor } from '../../src/main/network/onnx/layout.ts';
import { decodeModel, OnnxNode } from '../../src/main/network/onnx/model.ts';
import { translatorOf } from '../../src/main/network/onnx/operators/index.ts';
import { decodeTensor, type Constant } from '../../src/main/network/onnx/tensor.ts';
import { toNativeProgram } from '../../src/main/network/program.ts';
import { canForward, forward } from '../support/forward.ts';
import { casesFolder, decoded, firstDifference, freeInputs, readCases, withConstants, type Case } from '../support/onnx-cases.ts';

type Outcome = { readonly kind: 'network' | 'constants' } | { readonly kind: 'operator' | 'form' | 'wrong'; readonly reason: string };

const hasCases = existsSync(casesFolder);
if (!hasCases) console.warn(`skipped: no ONNX conformance cases at ${casesFolder}; apt-get install libonnx-testdata`);

async function outcomeOf(test: Case): Promise<Outcome> {
  try {
    return await asNetwork(test);
  } catch (error) {
    if (!(error instanceof LatheError) || error.code !== 'bad-input') throw error;
    if (/the operator .+ is not taken/.test(error.message)) return { kind: 'operator', reason: error.message };
    return asConstants(test) ?? { kind: 'form', reason: error.message };
  }
}

/** The first input is the image, the others are constants; the output is compared value by value. */
async function asNetwork(test: Case): Promise<Outcome> {
  const network = importModel(decodeModel('case', withConstants(test, 1)), { isExact: true });
  const [given, wanted] = [test.inputs[0], test.outputs[0]];
  if (!given || !wanted) throw new LatheError('bad-input', 'a value is no tensor');
  const inputs = inMemory(decoded(given, freeInputs(test.model)[0]), network.inputTensor);
  const expected = decoded(wanted, test.model.graph?.output?.[0]);
  const graph = withTwoClasses(network.graph);
  const model = createModel(toNativeProgram(graph));
  model.setState(packValues(model.parameters, network.values));
  const { N: batch } = network.inputTensor.sizes;
  const found = await forward(model, { inputs, batch });
  const own = graph === network.graph ? found : found.filter((_, at) => at % 2 === 0);
  const difference = firstDifference(inFile(own, network.output), expected.values);
  const shape = dimSizes(network.output).join(' x ');
  if (difference) return { kind: 'wrong', reason: difference };
  return shape === expected.dims.join(' x ')
    ? { kind: 'network' }
    : { kind: 'wrong', reason: `shape ${shape}, expected ${expected.dims.join(' x ')}` };
}

/** The executor wants two classes at least: a single one is given twice. */
function withTwoClasses(graph: Graph): Graph {
  const last = graph.nodes.at(-1)?.spec.name;
  if (graph.classes > 1 || last === undefined) return graph;
  return createGraph(graph.inputShape, [...graph.nodes.map(({ spec }) => spec), { kind: 'concat', name: 'twice', inputs: [last, last] }]);
}

function inMemory({ values }: Constant, { sizes, dims }: Tensor): Float32Array {
  const order = memoryOrder(sizes, dims.flat());
  return order ? Float32Array.from(order, (at) => values[at] ?? 0) : Float32Array.from(values);
}

function inFile(values: Float32Array, { sizes, dims }: Tensor): Float32Array {
  const order = memoryOrder(sizes, dims.flat());
  const result = new Float32Array(values.length);
  values.forEach((value, at) => (result[order?.[at] ?? at] = value));
  return result;
}

/** Every input a constant; null where an operator is not computed on constants. */
function asConstants(test: Case): Outcome | null {
  try {
    const model = decodeModel('case', withConstants(test, 0));
    const values = new Map<string, Constant>();
    for (const [name, tensor] of model.initializers) values.set(name, decodeTensor(name, tensor));
    for (const node of model.nodes) {
      const result = foldNode(
        node,
        model.opset,
        node.inputs.map((name) => values.get(name)),
      );
      if (!result) return null;
      values.set(node.outputs[0] ?? '', result);
    }
    for (const [at, { name }] of model.outputs.entries()) {
      const [wanted, found] = [test.outputs[at], values.get(name)];
      if (!wanted || !found) return null;
      const expected = decoded(wanted, test.model.graph?.output?.[at]);
      const isOfShape = found.dims.join() === expected.dims.join();
      const difference = isOfShape ? firstDifference(found.values, expected.values) : `shape ${found.dims.join(' x ')}`;
      if (difference) return { kind: 'wrong', reason: `output ${name}: ${difference}` };
    }
    return { kind: 'constants' };
  } catch (error) {
    if (error instanceof LatheError && error.code === 'bad-input') return null;
    throw error;
  }
}

/** The figures of a row of the table in docs/onnx.md. */
function documented(row: string): number {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'onnx.md'), 'utf8');
  const found = new RegExp(`^\\| ${row} +\\| +(\\d+) \\|`, 'm').exec(text);
  if (!found) throw new Error(`docs/onnx.md has no row "${row}"`);
  return Number(found[1]);
}

describe.skipIf(!hasCases || !canForward)('the conformance suite of ONNX', () => {
  it('passes or is refused by name, as docs/onnx.md counts', { timeout: 300_000 }, async () => {
    const outcomes = new Map<string, Outcome>();
    for (const test of readCases()) outcomes.set(test.name, await outcomeOf(test));
    const of = (kind: Outcome['kind']): [string, Outcome][] => [...outcomes].filter(([, outcome]) => outcome.kind === kind);
    const rows = {
      'passed as a network': of('network').length,
      'passed as constants': of('constants').length,
      'refused for its form': of('form').length,
      'refused for its operator': of('operator').length,
    };
    console.log(
      Object.entries(rows)
        .map(([name, count]) => `${name}: ${count}`)
        .join('\n'),
    );
    expect(of('wrong')).toEqual([]);
    expect(outcomes.size).toBe(Object.values(rows).reduce((sum, count) => sum + count, 0));
    for (const [row, count] of Object.entries(rows)) expect(count, row).toBe(documented(row));
  });

  it('names the operator in every refusal for one', () => {
    for (const test of readCases()) {
      const model = test.model.graph?.node?.find(({ opType }) => opType === 'LSTM');
      if (!model) continue;
      expect(() => importModel(decodeModel(test.name, withConstants(test, 1)))).toThrow(
        /the operator LSTM \S.* is not taken: recurrent networks/,
      );
    }
  });
});

it('has a translation for every operator that is promised', () => {
  const promised =
    'Conv Gemm MatMul BatchNormalization MaxPool AveragePool GlobalAveragePool Relu Clip Sigmoid Tanh HardSigmoid HardSwish LeakyRelu Add Mul Sub Div Concat Reshape Flatten Squeeze Unsqueeze Transpose ReduceMean Pad Identity Dropout QuantizeLinear DequantizeLinear Softmax';
  const missing = promised.split(' ').filter((op) => !translatorOf(new OnnxNode({ opType: op }, 0)));
  expect(missing).toEqual([]);
});
