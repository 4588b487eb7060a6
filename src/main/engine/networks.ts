/** Networks of the user's in the engine: read from ONNX, kept as blobs, and written to ONNX with a check in ONNX Runtime. */
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { basename } from 'node:path';
import { LatheError } from '../../shared/errors.ts';
import { canonicalJson } from '../../shared/canonical.ts';
import type { NetworkRecord, ResolvedNetworkRef } from '../../shared/network.ts';
import type { NativeParameter } from '../compute/addon.ts';
import { createModel } from '../compute/index.ts';
import { sha256Hex } from '../compute/hash.ts';
import { describeFileError, describeWriteError } from '../data/file-errors.ts';
import { graphFromJson, graphSha256, graphToJson } from '../network/graph-form.ts';
import type { Graph } from '../network/graph.ts';
import type { Values } from '../network/onnx/draft.ts';
import { importOnnx, type ImportedNetwork, type ImportOptions } from '../network/onnx/import.ts';
import { limits } from '../network/onnx/limits.ts';
import { toNativeProgram } from '../network/program.ts';
import { resolveNetwork } from '../network/zoo.ts';
import { readBlob, writeBlob } from '../store/blobs.ts';
import { saveState } from './checkpoint.ts';

/** The graph that a resolved reference means. Throws LatheError not-found or corrupt where its blob is. */
export async function openGraph(dataDir: string, ref: ResolvedNetworkRef): Promise<Graph> {
  if (ref.graph === undefined) return resolveNetwork(ref).graph;
  return graphFromJson(JSON.parse(new TextDecoder().decode(await readBlob(dataDir, ref.graph))));
}

export interface ReadNetwork {
  readonly network: ImportedNetwork;
  readonly fileSha256: string;
}

/** Reads an ONNX file, called `what` where something is wrong with it. Throws LatheError: not-found, or bad-input. */
export async function readOnnxFile(path: string, options: ImportOptions, what = basename(path)): Promise<ReadNetwork> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(path);
    if (size > limits.fileBytes) {
      throw new LatheError(
        'bad-input',
        `${what}: it has ${Math.round(size / 2 ** 20)} MiB; networks of up to ${limits.fileBytes / 2 ** 20} MiB are read`,
      );
    }
    bytes = await readFile(path);
  } catch (error) {
    throw describeFileError(path, error);
  }
  return { network: importOnnx(what, bytes, options), fileSha256: sha256Hex(bytes) };
}

/** The values of a network as the flat array of the compute face. Throws LatheError internal where one is missing. */
export function packValues(layout: readonly NativeParameter[], values: ReadonlyMap<string, Values>): Float32Array {
  const packed = new Float32Array(layout.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const { op, role, offset, length } of layout) {
    const list = values.get(op)?.[role];
    if (list?.length !== length)
      throw new LatheError('internal', `${op}: expected ${length} values of its ${role}, found ${list?.length ?? 'none'}`);
    packed.set(list, offset);
  }
  return packed;
}

/** Reads a file and keeps its graph and weights as blobs; returns what the store keeps of it. Errors as `readOnnxFile`. */
export async function importNetwork(
  { dataDir, id, path, source }: { readonly dataDir: string; readonly id: string; readonly path: string; readonly source: string },
  options: ImportOptions,
): Promise<NetworkRecord> {
  const { network, fileSha256 } = await readOnnxFile(path, options, source);
  const { graph, producer, opset, notes, bits, metadata } = network;
  const model = createModel(toNativeProgram(graph));
  const networkSha256 = graphSha256(graph);
  const weights = await saveState(dataDir, { kind: 'weights', networkSha256, parameters: packValues(model.parameters, network.values) });
  const { sha256 } = await writeBlob(dataDir, new TextEncoder().encode(canonicalJson(graphToJson(graph))));
  return {
    id,
    source,
    fileSha256,
    graph: sha256,
    weights: weights.sha256,
    inputShape: [...graph.inputShape],
    classes: graph.classes,
    classNames: classNamesOf(metadata.get('lathe.classes'), graph.classes),
    macs: graph.macs,
    params: graph.params,
    report: { producer, opset, notes: [...notes], bits: [...bits] },
    atMs: Date.now(),
  };
}

function classNamesOf(text: string | undefined, classes: number): string[] | null {
  if (text === undefined) return null;
  try {
    const value: unknown = JSON.parse(text);
    const isList =
      Array.isArray(value) && value.length === classes && value.every((name) => typeof name === 'string' && name.length <= 200);
    return isList ? (value as string[]) : null;
  } catch {
    return null; // another program's metadata
  }
}

/** Writes a file beside its place and renames it: a reader sees the old one or the new one. */
export async function writeWhole(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    await write(temporary);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw describeWriteError(path, error);
  }
}

/** Throws LatheError where `writeWhole` could not write to this path: before the work, not behind it. */
export async function checkWritable(path: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    if ((await stat(path).catch(() => null))?.isDirectory()) throw Object.assign(new Error(path), { code: 'EISDIR' });
    await writeFile(temporary, '');
    await rm(temporary);
  } catch (error) {
    throw describeWriteError(path, error);
  }
}
