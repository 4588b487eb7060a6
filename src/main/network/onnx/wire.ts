/**
 * A walk over the protobuf wire format of an ONNX file before it is decoded: every length lies within its message, nothing is
 * nested too deeply, and there are not more fields than memory can hold. A decoder makes objects of up to a hundred bytes from
 * two bytes of a file; behind this walk that is bounded. It decodes nothing and keeps nothing.
 */
import protobuf from 'protobufjs/minimal.js';
import { limits } from './limits.ts';
import { refuse } from './refuse.ts';

/** Message types by the numbers of their fields that are messages again, or lists of numbers. Source: onnx.proto, IR version 12. */
interface MessageType {
  readonly messages: Readonly<Record<number, string>>;
  readonly varintLists?: readonly number[];
  readonly fixedLists?: readonly number[];
}

const types: Readonly<Record<string, MessageType>> = {
  Model: { messages: { 7: 'Graph', 8: 'Leaf', 14: 'Leaf', 20: 'Training', 25: 'Function' } },
  Training: { messages: { 1: 'Graph', 2: 'Graph', 3: 'Leaf', 4: 'Leaf' } },
  Function: { messages: { 7: 'Node', 9: 'Leaf', 11: 'Attribute', 12: 'Value', 14: 'Leaf' } },
  Graph: { messages: { 1: 'Node', 5: 'Tensor', 11: 'Value', 12: 'Value', 13: 'Value', 14: 'Annotation', 15: 'Sparse', 16: 'Leaf' } },
  Node: { messages: { 5: 'Attribute', 9: 'Leaf' } },
  Attribute: {
    messages: { 5: 'Tensor', 6: 'Graph', 10: 'Tensor', 11: 'Graph', 14: 'Type', 15: 'Type', 22: 'Sparse', 23: 'Sparse' },
    varintLists: [8],
    fixedLists: [7],
  },
  Tensor: { messages: { 3: 'Leaf', 13: 'Leaf' }, varintLists: [1, 5, 7, 11], fixedLists: [4, 10] },
  Sparse: { messages: { 1: 'Tensor', 2: 'Tensor' }, varintLists: [3] },
  Annotation: { messages: { 2: 'Leaf' } },
  Value: { messages: { 2: 'Type', 4: 'Leaf' } },
  Type: { messages: { 1: 'TensorType', 4: 'ElementType', 5: 'MapType', 8: 'TensorType', 9: 'ElementType' } },
  ElementType: { messages: { 1: 'Type' } },
  MapType: { messages: { 2: 'Type' } },
  TensorType: { messages: { 2: 'Shape' } },
  Shape: { messages: { 1: 'Leaf' } },
  Leaf: { messages: {} },
};

const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;
const fixed32 = 5;

interface Counts {
  fields: number;
  listBytes: number;
  varintListBytes: number;
}

/** Why the walk cannot go on; `checkWire` makes the sentence of it. */
class Broken extends Error {
  readonly at: number; // byte
  readonly graphBytes: number | null; // of a graph that is longer than the file

  constructor(at: number, graphBytes: number | null = null) {
    super(`broken at byte ${at}`);
    this.at = at;
    this.graphBytes = graphBytes;
  }
}

/** Throws LatheError bad-input, in a sentence that begins with `what`, for a file that is no whole ONNX model or too large. */
export function checkWire(what: string, bytes: Uint8Array): void {
  const reader = protobuf.Reader.create(bytes);
  const counts: Counts = { fields: 0, listBytes: 0, varintListBytes: 0 };
  try {
    walk(what, reader, 'Model', bytes.length, 0, counts);
  } catch (error) {
    // The reader's own: an index out of range, a varint of more than ten bytes.
    const isReaders = error instanceof RangeError || (error instanceof Error && error.constructor === Error);
    if (isReaders || error instanceof Broken)
      refuse(`${what}: ${describeBreak(bytes, error instanceof Broken ? error : new Broken(reader.pos))}`);
    throw error;
  }
}

function walk(what: string, reader: protobuf.Reader, typeName: string, end: number, depth: number, counts: Counts): void {
  if (depth > limits.depth) refuse(`${what}: its messages are nested more than ${limits.depth} deep; no network needs that`);
  const type = types[typeName];
  if (!type) throw new TypeError(`no message type ${typeName}`);
  while (reader.pos < end) {
    counts.fields += 1;
    if (counts.fields > limits.fields) refuse(`${what}: it has more than ${limits.fields} fields; a network of that size is not taken`);
    const tag = reader.uint32();
    const field = tag >>> 3;
    if (field === 0) throw new Broken(reader.pos);
    switch (tag & 7) {
      case varint:
        reader.skipType(varint);
        break;
      case fixed64:
        reader.skip(8);
        break;
      case fixed32:
        reader.skip(4);
        break;
      case lengthDelimited: {
        const length = reader.uint32();
        const fieldEnd = reader.pos + length;
        if (fieldEnd > end) throw new Broken(reader.pos, depth === 0 && type.messages[field] === 'Graph' ? length : null);
        const inner = type.messages[field];
        if (inner === undefined) {
          countList(what, type, field, length, counts);
          reader.skip(length);
        } else {
          walk(what, reader, inner, fieldEnd, depth + 1, counts);
        }
        break;
      }
      default:
        throw new Broken(reader.pos); // groups, which ONNX does not use, and types that there are not
    }
  }
  if (reader.pos !== end) throw new Broken(reader.pos);
}

function countList(what: string, type: MessageType, field: number, length: number, counts: Counts): void {
  const isVarint = type.varintLists?.includes(field) === true;
  if (!isVarint && type.fixedLists?.includes(field) !== true) return;
  counts.listBytes += length;
  if (isVarint) counts.varintListBytes += length;
  if (counts.listBytes > limits.listBytes || counts.varintListBytes > limits.varintListBytes) {
    refuse(`${what}: too many of its numbers are written one by one; save it with raw data (onnx.save of a recent onnx does)`);
  }
}

/** What is probably the matter: a text in a model's place (a page that was saved, the pointer of a large file), the end that is missing. */
function describeBreak(bytes: Uint8Array, { at, graphBytes }: Broken): string {
  const start = new TextDecoder().decode(bytes.subarray(0, 64));
  if (/^[\t\n\r\x20-\x7e]+$/.test(start)) {
    const line = (start.trim().split(/[\n\r]/)[0] ?? '').slice(0, 40);
    return `it is a text, not an ONNX model (it begins "${line}"); choose the model itself`;
  }
  if (graphBytes !== null) {
    return `it is cut off or damaged: its graph has ${graphBytes} bytes, and the file ends ${bytes.length - at} bytes behind its beginning; copy or export it again`;
  }
  return `it is no ONNX model, or it is cut off or damaged (at byte ${at}); export it again`;
}
