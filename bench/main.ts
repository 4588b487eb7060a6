/**
 * `npm run bench`: Lathe beside its peers, in one run and in turns, so that what else the machine does hits all of them alike.
 * `--json` prints one document: {machine, results: [{work, threads, lathe, peers, ofRoof}], foreign, simulations, missing}.
 */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import Table from 'cli-table3';
import { addonInfo, loadAddon, setThreads } from '../src/main/compute/index.ts';
import { startPeers } from './peers.ts';
import type { Peer } from './peers.ts';
import { bitSearchName, measureBitSearch } from './bit-search.ts';
import { listSimulations } from './simulate.ts';
import { bytesOf, flopsOf, listWorks, programOf, toOperatorBenchmark } from './works.ts';
import type { Work } from './works.ts';
import { measureWorkbench, noWorkbench } from './workbench.ts';

interface Times {
  readonly bestMs: number;
  readonly medianMs: number;
}

interface Result {
  readonly work: string;
  readonly threads: number;
  readonly lathe: Times;
  readonly peers: Readonly<Record<string, Times>>;
  readonly ofRoof: number; // of the nearer of both roofs
}

interface Roofs {
  readonly fmaGflops: number;
  readonly memoryGbPerSecond: number;
}

/** A work alone, and beside one process that keeps one core busy. */
interface Foreign {
  readonly work: string;
  readonly threads: number;
  readonly alone: Times;
  readonly busy: Times;
  readonly slowdown: number; // of the medians
}

interface Simulated {
  readonly work: string;
  readonly value: number;
  readonly unit: string;
  readonly goal: string;
}

const turnMs = 120; // of one participant, before the next one has its turn

const testing = loadAddon().testing;

function runLathe(work: Work, threads: number, repeats: number): readonly number[] {
  setThreads(threads);
  if (work.kind === 'kernel') return [...testing.benchmarkOperator(toOperatorBenchmark(work.conv, work.pass, repeats))];
  const options = { program: programOf(work.graph), batch: work.batch, repeats };
  if (work.kind === 'inference') return [...testing.benchmarkInference(options)];
  return [...(work.kind === 'integer' ? testing.benchmarkInteger(options) : testing.benchmarkTraining(options))];
}

/** What integers are held against: the same network in float. */
const ownFloat: Peer = {
  name: 'own float32',
  run: (work, threads, repeats) =>
    Promise.resolve(work.kind === 'integer' ? runLathe({ ...work, kind: 'inference' }, threads, repeats) : null),
  stop: () => undefined,
};

function summary(times: readonly number[]): Times {
  const sorted = times.toSorted((a, b) => a - b);
  return { bestMs: sorted[0] ?? Number.NaN, medianMs: sorted[Math.floor(sorted.length / 2)] ?? Number.NaN };
}

function repeatsFor(times: readonly number[]): number {
  return Math.min(50, Math.max(2, Math.round(turnMs / summary(times).bestMs)));
}

async function measure(work: Work, threads: number, peers: readonly Peer[], rounds: number, roofs: Roofs): Promise<Result> {
  const own: number[] = [];
  const others = new Map<string, number[]>();
  const turns = repeatsFor(runLathe(work, threads, 2));
  for (let round = 0; round < rounds; round++) {
    own.push(...runLathe(work, threads, turns));
    for (const peer of peers) {
      const times = await peer.run(work, threads, turns);
      if (times) others.set(peer.name, [...(others.get(peer.name) ?? []), ...times]);
    }
  }
  const lathe = summary(own);
  const seconds = lathe.bestMs / 1e3;
  return {
    work: work.name,
    threads,
    lathe,
    peers: Object.fromEntries([...others].map(([name, times]) => [name, summary(times)])),
    ofRoof: Math.max(flopsOf(work) / seconds / roofs.fmaGflops, bytesOf(work) / seconds / roofs.memoryGbPerSecond) / 1e9,
  };
}

/** One busy process on one of the cores, while all threads work. */
async function measureForeign(work: Work, threads: number, rounds: number): Promise<Foreign> {
  const turns = repeatsFor(runLathe(work, threads, 2));
  const collect = (): Times => summary(Array.from({ length: rounds }, () => runLathe(work, threads, turns)).flat());
  const alone = collect();
  const child = spawn(process.execPath, ['--eval', 'for (;;);'], { stdio: 'ignore' });
  try {
    await new Promise((resolve) => setTimeout(resolve, 300)); // until it has started
    const busy = collect();
    return { work: work.name, threads, alone, busy, slowdown: busy.medianMs / alone.medianMs };
  } finally {
    child.kill('SIGKILL');
  }
}

function show(results: readonly Result[], foreign: readonly Foreign[], missing: readonly string[]): void {
  const names = [...new Set(results.flatMap(({ peers }) => Object.keys(peers)))];
  const head = ['work', 'threads', 'Lathe ms (best / median)', 'of roof', ...names.map((name) => `against ${name} (best / median)`)];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { work, threads, lathe, peers, ofRoof } of results) {
    const ratios = names.map((name) => {
      const peer = peers[name];
      return peer ? `${(peer.bestMs / lathe.bestMs).toFixed(2)} / ${(peer.medianMs / lathe.medianMs).toFixed(2)}` : '';
    });
    table.push([work, threads, `${lathe.bestMs.toFixed(2)} / ${lathe.medianMs.toFixed(2)}`, ofRoof.toFixed(2), ...ratios]);
  }
  console.log(table.toString());
  console.log("A ratio is the peer's time over Lathe's: above 1 Lathe is faster.");
  for (const { work, threads, slowdown } of foreign) {
    console.log(`${work}, ${threads} threads, one busy foreign process: ${slowdown.toFixed(2)} times slower (median)`);
  }
  for (const line of missing) console.log(line);
}

/** The speed of what has no peers, the simulator and the window, and what it is to be. */
function showSimulations(simulations: readonly Simulated[]): void {
  if (simulations.length === 0) return;
  const table = new Table({ head: ['work', 'measured', 'unit', 'goal'], style: { head: [], border: [] } });
  for (const { work, value, unit, goal } of simulations) table.push([work, value.toPrecision(3), unit, goal]);
  console.log(table.toString());
}

function toCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number from 1 on');
  return value;
}

async function main(): Promise<void> {
  const command = new Command('bench')
    .description('measures Lathe beside ONNX Runtime, and beside oneDNN and PyTorch where they are installed')
    .option('--json', 'one JSON document on standard output')
    .option('--only <text>', 'works whose name contains this')
    .option('--threads <n>', 'with this many threads alone (default: 1 and 2)', toCount)
    .option('--rounds <n>', 'turns of each participant', toCount, 5)
    .parse();
  const { json, only, threads, rounds } = command.opts<{ json?: true; only?: string; threads?: number; rounds: number }>();
  const wanted = (name: string): boolean => only === undefined || name.toLowerCase().includes(only.toLowerCase());
  const works = listWorks().filter(({ name }) => wanted(name));
  const simulations = listSimulations().filter(({ work }) => wanted(work));
  const isWorkbench = wanted('workbench');
  const isBitSearch = wanted(bitSearchName);
  if (works.length + simulations.length === 0 && !isWorkbench && !isBitSearch) {
    const names = [...listWorks().map(({ name }) => name), ...listSimulations().map(({ work }) => work), bitSearchName, 'workbench'];
    command.error(`error: no work's name contains ${only ?? ''}; there are ${names.join(', ')}`);
  }
  const counts = threads === undefined ? [1, 2] : [threads];
  const { peers: others, missing: missingPeers } = startPeers();
  const missing = [...missingPeers];
  const peers = [...others, ownFloat];
  try {
    const results: Result[] = [];
    const roofs: (Roofs & { threads: number })[] = [];
    for (const count of counts) {
      setThreads(count);
      const measured = { threads: count, ...testing.roofs() };
      roofs.push(measured);
      for (const work of works) {
        if (!json) process.stderr.write(`${work.name}, ${count} threads ...\n`);
        results.push(await measure(work, count, peers, rounds, measured));
      }
    }
    const foreign: Foreign[] = [];
    for (const work of works.filter(({ kind }) => kind !== 'kernel')) {
      for (const count of counts.filter((n) => n > 1)) foreign.push(await measureForeign(work, count, rounds));
    }
    setThreads(1);
    const simulated = simulations.map((simulation): Simulated => {
      const { work, unit, goal } = simulation;
      if (!json) process.stderr.write(`${work} ...\n`);
      return { work, value: simulation.measure(), unit, goal };
    });
    if (isBitSearch) {
      if (!json) process.stderr.write(`${bitSearchName} ...\n`);
      simulated.push(...(await measureBitSearch()));
    }
    if (isWorkbench && noWorkbench === null) {
      simulated.push(...(await measureWorkbench((text) => process.stderr.write(json ? '' : `${text}\n`))));
    } else if (isWorkbench) missing.push(`the window was not measured, for ${noWorkbench ?? ''}`);
    const { simd, cores, compiler } = addonInfo();
    const machine = { cpu: cpus()[0]?.model.trim() ?? 'unknown', cores, simd, compiler, roofs };
    if (json) console.log(JSON.stringify({ machine, results, foreign, simulations: simulated, missing }));
    else {
      console.log(`${machine.cpu}, ${cores} cores, ${simd}`);
      for (const roof of roofs) {
        console.log(
          `${roof.threads} threads: FMA ${roof.fmaGflops.toFixed(0)} GFLOP/s, memory triad ${roof.memoryGbPerSecond.toFixed(1)} GB/s`,
        );
      }
      if (works.length > 0) show(results, foreign, missing);
      showSimulations(simulated);
    }
  } finally {
    for (const peer of peers) peer.stop();
  }
}

await main();
