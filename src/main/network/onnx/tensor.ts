/** Constants of an ONNX file: a TensorProto in any of its encodings as a plain array. Nothing of it is decoded before it is needed. */
import onnxProto from 'onnx-proto';
import type { onnx } from 'onnx-proto';
import { limits } from './limits.ts';
import { quoted, refuse } from './refuse.ts';

/** Element types of onnx.proto. Those of int2 and uint2 and of most 8-bit floats are not read. */
export const elementTypes = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
  uint4: 21,
  int4: 22,
} as const;
export type ElementType = keyof typeof elementTypes;

const namesOfTypes = new Map<number, ElementType>(
  Object.entries(elementTypes).map(([name, number]) => [number, name as ElementType] as const),
);

/** 'float16', or 'element type 17' for one that is not read. */
export function describeElementType(number: number): string {
  return namesOfTypes.get(number) ?? `element type ${number}`;
}

export function elementTypeOf(number: number): ElementType | null {
  return namesOfTypes.get(number) ?? null;
}

/**
 * A constant with its values in row-major order. Floats of all widths are float32 (what Lathe computes in); whole numbers and
 * truth values are doubles, exact up to 2^53 (beyond it only limits such as the largest int64 occur, which clamp).
 */
export interface Constant {
  readonly dims: readonly number[];
  readonly type: ElementType;
  readonly values: Float32Array | Float64Array;
  readonly bits?: number; // of the whole numbers that it was dequantized from
}

export function isFloat(type: ElementType): boolean {
  return type === 'float' || type === 'float16' || type === 'double' || type === 'bfloat16';
}

export function valueCount(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** A number of protobuf, which may be a Long. */
export function toNumber(value: unknown): number {
  return typeof value === 'number' ? value : (value as { toNumber(): number }).toNumber();
}

/** Dimensions as numbers. Throws LatheError bad-input for negative ones and for too many values. */
export function dimsOf(what: string, tensor: onnx.ITensorProto): number[] {
  const dims = (tensor.dims ?? []).map(toNumber);
  if (dims.length > limits.rank) refuse(`${what}: it has ${dims.length} dimensions; up to ${limits.rank} are taken`);
  if (dims.some((size) => !(size >= 0 && size <= limits.tensorValues)) || valueCount(dims) > limits.tensorValues) {
    refuse(`${what}: its shape ${quoted(dims.join(' x '))} is none that can be held; expected at most ${limits.tensorValues} values`);
  }
  return dims;
}

/** Decodes a tensor. Throws LatheError bad-input naming it, for data elsewhere, data that does not fit its shape, or a type that is not read. */
export function decodeTensor(what: string, tensor: onnx.ITensorProto): Constant {
  if (tensor.dataLocation === onnxProto.onnx.TensorProto.DataLocation.EXTERNAL) {
    const location = tensor.externalData?.find(({ key }) => key === 'location')?.value ?? 'an unnamed file';
    refuse(
      `${what}: its values lie outside, in the file ${quoted(location)}; save the model in one file (onnx.save(onnx.load(path), out) does) and import that`,
    );
  }
  const dims = dimsOf(what, tensor);
  const number = tensor.dataType ?? 0;
  const type = elementTypeOf(number);
  if (type === null || type === 'string') refuse(`${what}: it holds values of ${describeElementType(number)}; float32 would be read`);
  if (tensor.segment) refuse(`${what}: it is a segment of a larger tensor; save the model whole`);
  const count = valueCount(dims);
  const raw = tensor.rawData ?? new Uint8Array();
  const values = raw.length > 0 ? fromRaw(what, type, raw, count) : fromLists(what, type, tensor, count);
  return { dims, type, values };
}

function fromRaw(what: string, type: Exclude<ElementType, 'string'>, raw: Uint8Array, count: number): Float32Array | Float64Array {
  const bits = bitsOf(type);
  const expected = Math.ceil((count * bits) / 8);
  if (raw.length !== expected) wrongLength(what, count, `${expected} bytes of ${type}`, `${raw.length}`);
  if (type === 'int4' || type === 'uint4') return unpackNibbles(raw, count, type === 'int4');
  // A view needs its start on a boundary of the element; most raw data in a file does not lie on one.
  const bytes = raw.byteOffset % (bits / 8) === 0 ? raw : new Uint8Array(raw);
  const view = <T>(constructor: new (buffer: ArrayBufferLike, offset: number, length: number) => T): T =>
    new constructor(bytes.buffer, bytes.byteOffset, count);
  switch (type) {
    case 'float':
      return view(Float32Array);
    case 'double':
      return Float32Array.from(view(Float64Array));
    case 'float16':
      return fromHalf(view(Uint16Array));
    case 'bfloat16':
      return fromBrain(view(Uint16Array));
    case 'int8':
      return Float64Array.from(view(Int8Array));
    case 'uint8':
    case 'bool':
      return Float64Array.from(view(Uint8Array));
    case 'int16':
      return Float64Array.from(view(Int16Array));
    case 'uint16':
      return Float64Array.from(view(Uint16Array));
    case 'int32':
      return Float64Array.from(view(Int32Array));
    case 'uint32':
      return Float64Array.from(view(Uint32Array));
    case 'int64':
      return Float64Array.from(view(BigInt64Array), Number);
    case 'uint64':
      return Float64Array.from(view(BigUint64Array), Number);
  }
}

/** The typed lists: floats in float_data, doubles in double_data, small types in int32_data (16-bit floats as their bits). */
function fromLists(
  what: string,
  type: Exclude<ElementType, 'string'>,
  tensor: onnx.ITensorProto,
  count: number,
): Float32Array | Float64Array {
  const expectCount = (list: readonly unknown[], expected = count): void => {
    if (list.length !== expected) wrongLength(what, count, `${expected} numbers`, `${list.length}`);
  };
  switch (type) {
    case 'float': {
      const list = tensor.floatData ?? [];
      expectCount(list);
      return Float32Array.from(list);
    }
    case 'double': {
      const list = tensor.doubleData ?? [];
      expectCount(list);
      return Float32Array.from(list);
    }
    case 'int64': {
      const list = tensor.int64Data ?? [];
      expectCount(list);
      return Float64Array.from(list, toNumber);
    }
    case 'uint64':
    case 'uint32': {
      const list = tensor.uint64Data ?? [];
      expectCount(list);
      return Float64Array.from(list, toNumber);
    }
    case 'int4':
    case 'uint4': {
      const list = tensor.int32Data ?? [];
      expectCount(list, Math.ceil(count / 2));
      return unpackNibbles(Uint8Array.from(list), count, type === 'int4');
    }
    case 'float16':
    case 'bfloat16': {
      const list = tensor.int32Data ?? [];
      expectCount(list);
      return type === 'float16' ? fromHalf(Uint16Array.from(list)) : fromBrain(Uint16Array.from(list));
    }
    case 'bool':
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32': {
      const list = tensor.int32Data ?? [];
      expectCount(list);
      return Float64Array.from(list);
    }
  }
}

function wrongLength(what: string, count: number, expected: string, found: string): never {
  refuse(`${what}: its ${count} values need ${expected}, found ${found}; the file is damaged, export it again`);
}

function bitsOf(type: Exclude<ElementType, 'string'>): number {
  switch (type) {
    case 'int4':
    case 'uint4':
      return 4;
    case 'int8':
    case 'uint8':
    case 'bool':
      return 8;
    case 'int16':
    case 'uint16':
    case 'float16':
    case 'bfloat16':
      return 16;
    case 'float':
    case 'int32':
    case 'uint32':
      return 32;
    case 'double':
    case 'int64':
    case 'uint64':
      return 64;
  }
}

/** Two values a byte, the low half first. */
function unpackNibbles(bytes: Uint8Array, count: number, signed: boolean): Float64Array {
  return Float64Array.from({ length: count }, (_, index) => {
    const byte = bytes[index >> 1] ?? 0;
    const value = index % 2 === 0 ? byte & 15 : byte >> 4;
    return signed && value > 7 ? value - 16 : value;
  });
}

/** IEEE 754 binary16. */
function fromHalf(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}

/** The upper half of a float32. */
function fromBrain(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (upper) => upper << 16).buffer);
}
