/**
 * The conformance cases of ONNX (Debian's libonnx-testdata): models with inputs and outputs. A case is a graph of one or a few
 * operators whose inputs are all values of the run; here it becomes a network of one image by making all inputs but the first
 * constants, which is what a network's weights are.
 */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeTensor, elementTypes, type Constant } from '../../src/main/network/onnx/tensor.ts';

export const casesFolder = '/usr/share/libonnx-testdata/data';

export interface Case {
  readonly name: string; // 'node/test_relu'
  readonly model: onnx.ModelProto;
  /** Of the first data set, in the order of the graph's inputs; null: a value that is no tensor. */
  readonly inputs: readonly (onnx.TensorProto | null)[];
  readonly outputs: readonly (onnx.TensorProto | null)[];
}

/** Every case that has a model, in the order of names. */
export function* readCases(folder = casesFolder): Generator<Case> {
  for (const group of readdirSync(folder).sort()) {
    for (const name of readdirSync(join(folder, group)).sort()) {
      const path = join(folder, group, name);
      if (!existsSync(join(path, 'model.onnx'))) continue;
      const model = onnxProto.onnx.ModelProto.decode(readFileSync(join(path, 'model.onnx')));
      yield { name: `${group}/${name}`, model, inputs: readValues(path, 'input'), outputs: readValues(path, 'output') };
    }
  }
}

function readValues(path: string, kind: 'input' | 'output'): (onnx.TensorProto | null)[] {
  const values: (onnx.TensorProto | null)[] = [];
  for (let at = 0; ; at += 1) {
    const file = join(path, 'test_data_set_0', `${kind}_${at}.pb`);
    if (!existsSync(file)) return values;
    values.push(readTensor(readFileSync(file)));
  }
}

/** Sequences and optionals are written in files of the same name. */
function readTensor(bytes: Uint8Array): onnx.TensorProto | null {
  try {
    const tensor = onnxProto.onnx.TensorProto.decode(bytes);
    return tensor.dataType === 0 ? null : tensor;
  } catch {
    return null;
  }
}

/** The model with the inputs from `first` on as constants. */
export function withConstants({ model, inputs }: Case, first: number): Uint8Array {
  const { graph } = model;
  const stored = new Set((graph?.initializer ?? []).map(({ name }) => name));
  const free = (graph?.input ?? []).filter(({ name }) => !stored.has(name));
  const constants = free.flatMap(({ name }, at) => {
    const value = inputs[at];
    return at >= first && value ? [Object.assign(typed(value, free[at]), { name: name ?? '' })] : [];
  });
  const initializer = [...(graph?.initializer ?? []), ...constants];
  return onnxProto.onnx.ModelProto.encode(Object.assign({}, model, { graph: Object.assign({}, graph, { initializer }) })).finish();
}

/** The inputs that no initializer gives: those of the data set. */
export function freeInputs({ graph }: onnx.ModelProto): readonly onnx.IValueInfoProto[] {
  const stored = new Set((graph?.initializer ?? []).map(({ name }) => name));
  return (graph?.input ?? []).filter(({ name }) => !stored.has(name));
}

/** The suite writes values of bfloat16 as if they were of uint16; the graph knows better. */
export function decoded(tensor: onnx.TensorProto, declared: onnx.IValueInfoProto | undefined): Constant {
  return decodeTensor(`value ${tensor.name}`, typed(tensor, declared));
}

function typed(tensor: onnx.TensorProto, declared: onnx.IValueInfoProto | undefined): onnx.ITensorProto {
  const dataType = declared?.type?.tensorType?.elemType;
  return dataType === elementTypes.bfloat16 ? Object.assign(tensor, { dataType }) : tensor;
}

/** The suite's own tolerance: 1e-7 and a thousandth of the expected value. Returns the first that differs, or null. */
export function firstDifference(found: ArrayLike<number>, expected: ArrayLike<number>): string | null {
  if (found.length !== expected.length) return `${found.length} values, expected ${expected.length}`;
  for (let at = 0; at < expected.length; at += 1) {
    const [a = 0, b = 0] = [found[at], expected[at]];
    if (Object.is(a, b) || a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
    if (!(Math.abs(a - b) <= 1e-7 + 1e-3 * Math.abs(b))) return `value ${at}: ${a}, expected ${b}`;
  }
  return null;
}
