/** The command line as a newcomer mistypes it: one clear sentence on stderr, the right exit code, and nothing changed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, it } from 'vitest';

const entry = join(import.meta.dirname, '..', '..', 'src', 'main', 'cli', 'main.ts');
const folder = mkdtempSync(join(tmpdir(), 'lathe-cli-'));
const dataDir = join(folder, 'data');
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function lathe(...args: string[]): Promise<Result> {
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, '--data-dir', dataDir, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
    });
  });
}

/** An IDX file of bytes, with these dimensions. */
function idx(name: string, dimensions: readonly number[], values: Uint8Array): string {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header.set([0, 0, 8, dimensions.length]);
  dimensions.forEach((size, index) => header.writeUInt32BE(size, 4 + 4 * index));
  const path = join(folder, name);
  writeFileSync(path, Buffer.concat([header, values]));
  return path;
}

const images = idx('images.idx', [10, 4, 4], new Uint8Array(160));
const labels = idx(
  'labels.idx',
  [10],
  Uint8Array.from({ length: 10 }, (_, i) => i % 3),
);
const files = (trainImages: string, trainLabels: string): string[] => [
  '--train-images',
  trainImages,
  '--train-labels',
  trainLabels,
  '--test-images',
  images,
  '--test-labels',
  labels,
];
const search = ['--dataset', 'generated', '--target', 'bismo-cloud'];

describe('a request that cannot work fails with 1 and one sentence', () => {
  it.each([
    [
      'an unknown network',
      ['network', 'show', 'mobilnet-v1'],
      /^error: there is no network mobilnet-v1; did you mean mobilenet-v1 or mobilenet-v2 or .*\? "network list" shows all$/,
    ],
    [
      'no name at all',
      ['network', 'show', ''],
      /^error: .*expected the name of a network or an \.onnx file, found nothing; "network list" shows/,
    ],
    ['an unknown target', ['simulate', 'mobilenet-v1', '--target', 'bismo'], /^error: there is no target bismo; known: .*bismo-cloud/],
    ['an unknown data set', ['dataset', 'show', 'fashion'], /^error: there is no data set fashion; known: fashion-mnist, generated/],
    ['an unknown run', ['run', 'show', 'q-nothing'], /^error: run q-nothing: there is no such run; run list shows/],
    [
      'a truncated IDX file',
      ['dataset', 'add', 'mine', ...files(idx('short.idx', [10, 4, 4], new Uint8Array(100)), labels)],
      /^error: .*short\.idx: truncated: expected 176 bytes .* found 116/,
    ],
    [
      'labels outside the classes',
      ['dataset', 'add', 'mine', '--classes', '2', ...files(images, labels)],
      /^error: .*labels\.idx: label 2 of image 2 is outside the 2 classes/,
    ],
    [
      'a budget that no policy can meet',
      ['quantize', 'mobilenet-v1-0.25', ...search, '--budget', 'latency=0.1'],
      /^error: budget latency: no policy can meet 0\.4996 ms; the least possible with 2 bits or more is 1\.669 ms \(latency=0\.335\)/,
    ],
    [
      'a budget on what the target cannot tell',
      ['quantize', 'mobilenet-v1-0.25', ...search, '--budget', 'energy=0.5'],
      /^error: budget energy: target bismo-cloud has no energy model; give latency or size/,
    ],
    [
      'a policy file that is none',
      ['simulate', 'mobilenet-v1', '--target', 'bismo-cloud', '--policy', images],
      /^error: policy .*images\.idx: expected JSON/,
    ],
  ])('%s', async (_, args, sentence) => {
    const { code, stdout, stderr } = await lathe(...args);
    const lines = stderr.trim().split('\n');
    expect(lines.at(-1)).toMatch(sentence);
    expect(lines.filter((line) => line.startsWith('error:'))).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(1);
  });

  it('and has changed nothing: no run, no data set', async () => {
    expect(JSON.parse((await lathe('run', 'list', '--json')).stdout)).toEqual([]);
    const datasets = JSON.parse((await lathe('dataset', 'list', '--json')).stdout) as { id: string }[];
    expect(datasets.map((dataset) => dataset.id)).toEqual(['fashion-mnist', 'generated']);
  });

  it('a database of a newer Lathe, whose file stays as it is', async () => {
    const newer = join(folder, 'newer');
    await lathe('run', 'list', '--data-dir', newer);
    const path = join(newer, 'lathe.sqlite');
    const database = new Database(path);
    database.pragma('user_version = 99');
    database.pragma('wal_checkpoint(TRUNCATE)');
    database.close();
    const before = readFileSync(path);
    const { code, stderr } = await lathe('run', 'list', '--data-dir', newer);
    expect(stderr).toMatch(
      /lathe\.sqlite was written by a newer Lathe \(database version 99.*update Lathe, or start with another --data-dir/,
    );
    expect(code).toBe(1);
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe('bad usage fails with 2', () => {
  it.each([
    ['an unknown command', ['quantise'], /unknown command 'quantise'/],
    ['a missing option', ['simulate', 'mobilenet-v1'], /required option '--target <id>' not specified/],
    ['a budget without a unit', ['quantize', 'mobilenet-v1', ...search, '--budget', 'latency=12'], /a value without a unit is a fraction/],
    [
      'bits that there are not',
      ['simulate', 'mobilenet-v1', '--target', 'bismo-cloud', '--weight-bits', '9'],
      /expected a whole number from 1 to 8/,
    ],
    ['three of four files', ['dataset', 'add', 'mine', '--train-images', images], /needs all four/],
  ])('%s', async (_, args, sentence) => {
    const { code, stderr } = await lathe(...args);
    expect(stderr).toMatch(sentence);
    expect(code).toBe(2);
  });
});

it('prints one JSON document on stdout and nothing else', async () => {
  const { code, stdout } = await lathe(
    'simulate',
    'mobilenet-v2',
    '--target',
    'bismo-cloud',
    '--weight-bits',
    '4',
    '--activation-bits',
    '4',
    '--json',
  );
  const { layers } = JSON.parse(stdout) as { layers: { latencyMs: number }[] };
  const middleMs = layers.slice(1, -1).reduce((sum, layer) => sum + layer.latencyMs, 0);
  expect(middleMs).toBeCloseTo(74.4577, 4); // the table that HAQ's authors published
  expect(code).toBe(0);
});

describe('output that is cut off by its reader', () => {
  const piped = async (command: string): Promise<Result> =>
    await new Promise((resolve, reject) => {
      const script = `${command} | head -n 1; exit "\${PIPESTATUS[0]}"`;
      const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
      const result = { stdout: '', stderr: '' };
      child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
      child.on('error', reject);
      child.on('close', (code) => {
        resolve({ code, ...result });
      });
    });
  const call = `'${process.execPath}' '${entry}' --data-dir '${dataDir}'`;

  it.skipIf(process.platform === 'win32')('ends quietly, with the exit code of the command', { timeout: 30_000 }, async () => {
    // Above the 64 KiB of a pipe, so that writing goes on when the reader is gone.
    expect(await piped(`${call} network show nasnet-a-mobile --json`)).toEqual({ code: 0, stdout: '{\n', stderr: '' });
    expect(await piped(`${call} network show nasnet-b 2>&1 1>/dev/null`)).toMatchObject({ code: 1, stderr: '' });
  });
});
