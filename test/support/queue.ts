/** A Redis server, workers as processes, and runs so small that a study of them takes seconds: for tests of many machines. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Output } from '../../src/shared/contract.ts';
import { Random } from '../../src/shared/random.ts';
import type { RunRequest, RunSummary } from '../../src/shared/run.ts';
import { idxBytes } from '../../src/main/data/testing.ts';
import type { Service } from '../../src/main/service/index.ts';
import { makeDataDir, openService, removeDataDir, waitUntil, type TestService } from './service.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
if (!hasRedis)
  process.stderr.write('redis-server is not installed: the tests of the queue are left out (Debian: apt-get install redis-server)\n');

/** A server of its own, whose append-only file outlives it. */
export class TestRedis {
  readonly port: number;
  private readonly folder: string;
  private readonly flags: readonly string[];
  private child: ChildProcess | null = null;

  private constructor(port: number, folder: string, flags: readonly string[]) {
    this.port = port;
    this.folder = folder;
    this.flags = flags;
  }

  static async start(...flags: string[]): Promise<TestRedis> {
    const redis = new TestRedis(await freePort(), await mkdtemp(join(tmpdir(), 'lathe-redis-')), flags);
    await redis.run();
    return redis;
  }

  get pid(): number {
    return pidOf(this.child);
  }

  url(credentials = '', prefix = 'lathe'): string {
    return `redis://${credentials}127.0.0.1:${String(this.port)}?prefix=${prefix}`;
  }

  /** Starts it on the same port with what its append-only file holds. */
  async run(): Promise<void> {
    const args = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.folder, '--save', '', '--appendonly', 'yes'];
    const child = spawn('redis-server', [...args, '--appendfsync', 'always', ...this.flags], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.child = child;
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await waitUntil(() => output.includes('Ready to accept connections'), `redis-server is ready (${output})`);
  }

  async kill(): Promise<void> {
    await killed(this.child);
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A worker as a process, one slot, one thread. */
export class TestWorker {
  readonly name: string;
  private readonly child: ChildProcess;
  private output = '';

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static async start(url: string, dataDir: string, name: string): Promise<TestWorker> {
    const entry = join(import.meta.dirname, '..', '..', 'src', 'main', 'cli', 'main.ts');
    const flags = ['--queue', url, '--data-dir', dataDir, '--name', name, '--threads', '1', '--lost-after', '2'];
    const child = spawn(process.execPath, [entry, 'worker', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
    const worker = new TestWorker(name, child);
    await waitUntil(() => worker.output.includes('slot') || child.exitCode !== null, `worker ${name} is up`, 300_000);
    if (child.exitCode !== null) throw new Error(`worker ${name}: ${worker.output}`);
    return worker;
  }

  get pid(): number {
    return pidOf(this.child);
  }

  get log(): string {
    return this.output;
  }

  /** As a power cut would: it says nothing more. Its engine ends with it. */
  async kill(): Promise<void> {
    await killed(this.child);
  }

  /** As a person would stop it. */
  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    await exited;
  }
}

/** The folders of a test, and what works in them: `close` takes them away, behind everything that was opened. */
export class TestFolders {
  private readonly made: string[] = [];

  async folder(): Promise<string> {
    const made = await makeDataDir();
    this.made.push(made);
    return made;
  }

  /** A workstation of its own with the tiny data set; `queue` is its address, where it has one. */
  async open(queue?: string): Promise<TestService> {
    const opened = await openService(await this.folder(), queue);
    await addTinyDataset(opened.service, opened.dataDir);
    return opened;
  }

  async startWorker(redis: TestRedis, name: string): Promise<TestWorker> {
    return await TestWorker.start(redis.url(), await this.folder(), name);
  }

  async close(): Promise<void> {
    for (const made of this.made) await removeDataDir(made);
  }
}

function pidOf(child: ChildProcess | null): number {
  if (child?.pid === undefined) throw new Error('the process was not started');
  return child.pid;
}

async function killed(child: ChildProcess | null): Promise<void> {
  if (child === null || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address !== null && typeof address !== 'string' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

/** 240 training and 60 test images of 16 x 16, light on the left or on the right: as the files of an IDX set, two of them packed. */
export async function addTinyDataset(service: Service, folder: string): Promise<void> {
  const random = Random.fromSeed(5);
  const part = async (name: string, count: number): Promise<{ images: string; labels: string }> => {
    const labels = Uint8Array.from({ length: count }, (_, index) => index % 2);
    const pixels = Uint8Array.from({ length: count * 256 }, (_, at) => {
      const isLight = at % 16 < 8 === (labels[Math.floor(at / 256)] === 0);
      return Math.floor(random.uniform() * 120) + (isLight ? 60 : 0);
    });
    const paths = { images: join(folder, `${name}-images.gz`), labels: join(folder, `${name}-labels`) };
    await writeFile(paths.images, gzipSync(idxBytes([count, 16, 16], pixels)));
    await writeFile(paths.labels, idxBytes([count], labels));
    return paths;
  };
  const train = await part('train', 240);
  const test = await part('test', 60);
  await service.call('dataset.add', {
    ...{ kind: 'idx', id: 'tiny', trainImages: train.images, trainLabels: train.labels },
    ...{ testImages: test.images, testLabels: test.labels },
  });
}

/** A search of a second or two: a thin network on the tiny set. */
export function tinySearch(seed: number, trials = 6): Extract<RunRequest, { method: 'quantize' }> {
  return {
    method: 'quantize',
    network: { id: 'mobilenet-v1', width: 0.125, inputSize: 16 },
    dataset: 'tiny',
    target: 'bismo-cloud',
    budgets: [{ resource: 'latency', kind: 'fraction', value: 0.6 }],
    training: { epochs: 1, batchSize: 32, warmupSteps: 2 },
    search: {
      ...{ trials, validationImages: 60, rewardImages: 30, calibrationImages: 32, statisticsImages: 16, finalists: 2 },
      agent: { warmupTrials: 4, batchSize: 8 },
    },
    seed,
    threads: 1,
  };
}

/** A run without what decides nothing: when a thing happened, and how fast. */
export function comparable({ run, trials, metrics }: Output<'run.export'>): unknown {
  return {
    solutions: run.solutions,
    trials: trials.map((trial) => ({ ...trial, atMs: 0 })),
    metrics: metrics.filter(({ series }) => !series.startsWith('machine/') && !['train/seconds', 'train/imagesPerSecond'].includes(series)),
  };
}

export async function exportAll(service: Service, runs: readonly RunSummary[]): Promise<unknown[]> {
  const all: unknown[] = [];
  for (const { id } of runs) all.push(comparable(await service.call('run.export', { id })));
  return all;
}
