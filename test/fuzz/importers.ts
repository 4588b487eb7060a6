/**
 * Everything through which Lathe reads what others wrote, each with valid files, ways to change them, and how it reads one: the
 * short test and the long one go through this list. A new importer is one more entry here.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { serialize } from 'node:v8';
import { join } from 'node:path';
import fc from 'fast-check';
import { gzipSync } from 'node:zlib';
import { ZipFile } from 'yazl';
import type { z } from 'zod';
import { contract } from '../../src/shared/contract.ts';
import { describeZodError, LatheError, type ErrorCode } from '../../src/shared/errors.ts';
import { runViewSchema } from '../../src/shared/view.ts';
import { readPolicy } from '../../src/main/cli/arguments.ts';
import { sha256Hex } from '../../src/main/compute/hash.ts';
import { openCifar } from '../../src/main/data/cifar.ts';
import { decodeInOrder } from '../../src/main/data/decode.ts';
import { readIdx } from '../../src/main/data/idx.ts';
import { listImageTable } from '../../src/main/data/image-table.ts';
import { cifarBytes, idxBytes, imageBytes } from '../../src/main/data/testing.ts';
import { answerReadBundle, answerWriteBundle } from '../../src/main/engine/bundle-requests.ts';
import { loadState } from '../../src/main/engine/checkpoint.ts';
import { readTable } from '../../src/main/hardware/tables/read.ts';
import { findResources, parseTarget } from '../../src/main/hardware/targets.ts';
import { graphFromText, graphToText } from '../../src/main/network/graph-form.ts';
import { importOnnx } from '../../src/main/network/onnx/import.ts';
import { smallClassifier } from '../../src/main/network/onnx/test-kit.ts';
import { findSpace } from '../../src/main/network/space/spaces.ts';
import { requireFilter } from '../../src/main/service/views.ts';
import { writeBlob } from '../../src/main/store/blobs.ts';
import { mutated, mutatedJson } from '../support/mutate.ts';
import { quantizeManifest, runDetail, solution, trial } from '../support/store-samples.ts';

export interface Importer {
  readonly name: string;
  /** Files changed at random, and now and then a valid one. `folder`: for what has to lie on the disk to be made. */
  readonly files: (folder: string) => Promise<fc.Arbitrary<Uint8Array>>;
  /** Reads one; `folder` is for the reader's files. Throws LatheError for what it refuses. */
  readonly read: (bytes: Uint8Array, folder: string) => unknown;
  readonly refusals: readonly ErrorCode[];
}

const resources = findResources(import.meta.dirname);
const { signal } = new AbortController();
const badInput: readonly ErrorCode[] = ['bad-input'];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** Bytes of any of these files, changed; one in twenty is as it was. */
function changedFiles(...files: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    ...files.flatMap((file) => [
      { arbitrary: mutated(file), weight: 19 },
      { arbitrary: fc.constant(file), weight: 1 },
    ]),
  );
}

/** The same for JSON: bytes of it, or whole values in it. */
function changedDocuments(...documents: readonly unknown[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(...documents.flatMap((document) => [changedFiles(json(document)), mutatedJson(document).map(json)]));
}

const resource = (...path: string[]): unknown => JSON.parse(readFileSync(join(resources, ...path), 'utf8'));

/** What a schema of the contract says, as the service says it. */
function checked(schema: z.ZodType, bytes: Uint8Array): void {
  let value: unknown;
  try {
    value = JSON.parse(text(bytes));
  } catch (error) {
    throw new LatheError('bad-input', error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error));
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new LatheError('bad-input', describeZodError(parsed.error));
}

async function onDisk(folder: string, name: string, bytes: Uint8Array): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, name), bytes);
  return join(folder, name);
}

const tableRows = [
  'key,count,mean,std,min,median',
  'Conv-input:224x224x3-output:112x112x32,3,1.5,0.1,1.4,1.5',
  'expanded_conv-input:56x56x24-output:28x28x40-expand:3-kernel:3-stride:2-idskip:0,3,0.5,0.1,0.4,0.5',
];
const tableYaml =
  'Conv-input:224x224x3-output:112x112x32: {count: 3, mean: 1.5, std: 0.1}\nConv_1-input:7x7x320-output:7x7x1280: {mean: 2}\n';

const policy = {
  kind: 'quantize',
  layers: ['conv1', 'conv2', 'fc'].map((name) => ({ name, weightBits: 4, activationBits: 8 })),
};
const request = {
  ...{ method: 'quantize', network: { id: 'mobilenet-v1', width: 0.25 }, dataset: 'generated', target: 'bismo-cloud' },
  budgets: [{ resource: 'latency', kind: 'fraction', value: 0.6 }],
  training: { epochs: 1 },
  search: { trials: 24, agent: { warmupTrials: 4 } },
  seed: 3,
};
const view = {
  id: 'v1',
  name: 'Best',
  filter: 'method = quantize',
  groupBy: ['network'],
  sort: { id: 'created', desc: false },
  columns: ['name'],
  widths: { name: 200 },
};

/** A bundle whose header names each file as it is, whatever that is. */
async function zipped(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const zip = new ZipFile();
  for (const [name, bytes] of Object.entries(files)) zip.addBuffer(Buffer.from(bytes), name);
  zip.end();
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks);
}

async function sampleBundle(folder: string): Promise<{ readonly whole: Uint8Array; readonly record: unknown }> {
  const dataDir = join(folder, 'from');
  const blob = (await writeBlob(dataDir, new TextEncoder().encode('weights'.repeat(100)))).sha256;
  const detail = runDetail('q-1', { solutions: [solution('best', 'found', { weights: blob })], manifest: quantizeManifest });
  const record = { detail, trials: [trial(0), trial(1)], metrics: [{ series: 'train/loss', step: 0, value: 1 }], log: [], weights: null };
  const path = join(folder, 'sample.lathe');
  const content = { run: record, targets: [resource('targets', 'bismo-edge.json')], networks: [] };
  await answerWriteBundle({ dataDir, path, lathe: '0.1.0', createdAtMs: 1_700_000_000_000, policy: null, blobs: [blob], content });
  return { whole: readFileSync(path), record };
}

/** What bundles and checkpoints hold of weights. */
function weightBlobs(): readonly Uint8Array[] {
  const parameters = Float32Array.from({ length: 64 }, (_, at) => at / 7);
  const sparse = { length: 64, marks: Uint8Array.of(1, 2, 4, 8, 16, 32, 64, 128), values: parameters.slice(0, 8) };
  return [parameters, sparse].map((values) =>
    serialize({ formatVersion: 1, state: { kind: 'weights', networkSha256: 'a'.repeat(64), parameters: values } }),
  );
}

export const importers: readonly Importer[] = [
  {
    name: 'ONNX',
    files: async () => changedFiles(smallClassifier()),
    read: (bytes) => importOnnx('net.onnx', bytes),
    refusals: badInput,
  },
  {
    name: 'weights',
    files: async () => changedFiles(...weightBlobs()),
    read: async (bytes, folder) => await loadState(folder, (await writeBlob(folder, bytes)).sha256, 'weights', 'quantized'),
    refusals: ['corrupt', 'newer-version'],
  },
  {
    name: "network's text",
    files: async () => changedFiles(Buffer.from(graphToText(importOnnx('net.onnx', smallClassifier()).graph))),
    read: (bytes) => graphFromText(text(bytes)),
    refusals: badInput,
  },
  {
    name: 'target',
    files: async () => changedDocuments(...readdirSync(join(resources, 'targets')).map((name) => resource('targets', name))),
    read: (bytes) => parseTarget('target.json', text(bytes)),
    refusals: ['corrupt'],
  },
  {
    name: 'table as CSV',
    files: async () => changedFiles(Buffer.from(`${tableRows.join('\n')}\n`)),
    read: (bytes) => readTable('t.csv', text(bytes), 'csv', 'ms'),
    refusals: badInput,
  },
  {
    name: 'table as YAML',
    files: async () => changedFiles(Buffer.from(tableYaml)),
    read: (bytes) => readTable('t.yaml', text(bytes), 'yaml', 'ms'),
    refusals: badInput,
  },
  {
    name: 'table as JSON',
    files: async () => changedDocuments({ [tableRows[1]?.split(',')[0] ?? '']: { count: 3, mean: 1.5, std: 0.1, min: 1.4 } }),
    read: (bytes) => readTable('t.json', text(bytes), 'json', 'ms'),
    refusals: badInput,
  },
  {
    name: 'policy',
    files: async () => changedDocuments(policy, { best: { policy } }),
    read: async (bytes, folder) => await readPolicy(await onDisk(folder, 'policy.json', bytes)),
    refusals: badInput,
  },
  {
    name: 'search space',
    files: async () => changedDocuments(resource('spaces', 'tiny.json')),
    read: async (bytes, folder) => findSpace(resources, await onDisk(folder, 'space.json', bytes)),
    refusals: ['corrupt'],
  },
  {
    name: 'filter',
    files: async () =>
      changedFiles(
        ...[
          'method = quantize and (accuracy >= 0.9 or star)',
          'not network contains "mobile" and seed in (1, 2, 3)',
          'created > 2026-01-01',
        ].map((filter) => Buffer.from(filter)),
      ),
    read: (bytes) => requireFilter(text(bytes)),
    refusals: badInput,
  },
  { name: 'view', files: async () => changedDocuments(view), read: (bytes) => checked(runViewSchema, bytes), refusals: badInput },
  {
    name: 'request',
    files: async () => changedDocuments(request),
    read: (bytes) => checked(contract['run.create'].input, bytes),
    refusals: badInput,
  },
  {
    name: 'bundle',
    files: async (folder) => changedFiles((await sampleBundle(folder)).whole),
    read: async (bytes, folder) =>
      await answerReadBundle({ dataDir: folder, path: await onDisk(folder, 'x.lathe', bytes), name: 'x.lathe' }),
    refusals: ['bad-input', 'newer-version'],
  },
  {
    name: "bundle's record", // the header is right, so that the reader gets that far
    files: async (folder) => changedDocuments((await sampleBundle(folder)).record),
    read: async (bytes, folder) => {
      const files = [{ path: 'run.json', sha256: sha256Hex(bytes), sizeBytes: bytes.length }];
      const header = json({ format: 'lathe-bundle', formatVersion: 1, lathe: '0.1.0', run: 'q-1', createdAtMs: 1, files });
      const path = await onDisk(folder, 'x.lathe', await zipped({ 'bundle.json': header, 'run.json': bytes }));
      return await answerReadBundle({ dataDir: folder, path, name: 'x.lathe' });
    },
    refusals: badInput,
  },
  {
    name: 'IDX',
    files: async () => changedFiles(idxBytes([3, 4, 5]), gzipSync(idxBytes([3, 4, 5]))),
    read: async (bytes, folder) => await readIdx(await onDisk(folder, 'images', bytes), { expect: 'images', maximumBytes: 1_000_000 }),
    refusals: badInput,
  },
  {
    name: 'CIFAR-10',
    files: async () => changedFiles(cifarBytes([[0], [9]], 0)),
    read: async (bytes, folder) => {
      await onDisk(folder, 'test_batch.bin', cifarBytes([[1]], 0));
      await onDisk(folder, 'data_batch_1.bin', bytes);
      return await openCifar(folder, 'cifar-10', signal);
    },
    refusals: badInput,
  },
  {
    name: 'image',
    files: async () => changedFiles(await imageBytes(40, 30, 'jpeg'), await imageBytes(40, 30, 'png'), await imageBytes(40, 30, 'webp')),
    read: async (bytes, folder) => {
      const path = await onDisk(folder, 'image', bytes);
      const files = [{ name: 'image', path, problem: null }];
      for await (const image of decodeInOrder(files, { height: 16, width: 16, channels: 3, crop: 'centre' }, signal))
        if ('broken' in image) throw new LatheError('bad-input', image.broken.reason); // as it is told of a data set's
    },
    refusals: badInput,
  },
  {
    name: 'table of images',
    files: async () => changedFiles(Buffer.from('path,label,split\na/0.jpg,a,train\n"a/1.jpg",a,test\nb/0.jpg,b,train\n')),
    read: async (bytes, folder) => {
      for (const name of ['a/0.jpg', 'a/1.jpg', 'b/0.jpg'])
        await onDisk(join(folder, name.slice(0, 1)), name.slice(2), Buffer.from([0xff]));
      return await listImageTable(await onDisk(folder, 'list.csv', bytes), signal);
    },
    refusals: badInput,
  },
];
