/**
 * Latencies on this machine: of single operators, as the runtime executes them inside a network, and of whole networks.
 *
 * An operator is measured in a small network around it (`operator-graph.ts`) by the runtime's own profile, so that neither the call from
 * JavaScript nor the change of layout at the network's border counts. Where one thread works, the networks of several operators take
 * turns, so that each finds its weights out of the cache, as in a real network. What does not settle is measured again, and
 * marked when it still does not.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { LatencyEntry } from '../../../shared/latency-table.ts';
import { createGraph, inputName, type Graph } from '../../network/graph.ts';
import { product } from '../../network/shape.ts';
import { formatKey, parseKey, type OperatorKey } from '../tables/keys.ts';
import { sessionKey } from '../tables/parts.ts';
import { workOf } from '../tables/work.ts';
import { EnergyMeter } from './energy.ts';
import { operatorGraph, surroundings } from './operator-graph.ts';
import { RuntimeSession, type OperatorTimes, type RuntimeOptions } from './runtime.ts';
import { mean, median, quieter, summarize, type Timing } from './statistics.ts';

export interface MeasureOptions extends RuntimeOptions {
  readonly warmup: number; // runs before the first that counts
  readonly repeats: number;
  readonly signal: AbortSignal;
}

const leastRounds = 3; // apart in time, and the quietest counts: what else works for a moment can spoil one whole round evenly
const mostRounds = 6; // of what does not settle
const mostTogetherBytes = 64 * 2 ** 20; // weights and activations of the operators that take turns

/** An entry for each key, in the order of the keys. Throws LatheError bad-input for a key that cannot be measured, by name. */
export async function measureOperators(keys: readonly string[], options: MeasureOptions): Promise<LatencyEntry[]> {
  const timings = new Map<string, Timing>();
  const profileCostMs = await profileCost(options);
  for (let round = 0; round < mostRounds; round += 1) {
    const left = round < leastRounds ? keys : keys.filter((key) => timings.get(key)?.noisy ?? true);
    for (const group of groupsOf(left, options)) {
      if (options.signal.aborted) throw new LatheError('cancelled', 'measuring was stopped on request');
      const isSession = group[0] === sessionKey;
      for (const [key, timing] of isSession
        ? [[sessionKey, await measureSession(options, profileCostMs)] as const]
        : await measureGroup(group, options, profileCostMs)) {
        const before = timings.get(key);
        timings.set(key, before ? quieter(before, timing) : timing);
      }
    }
  }
  return keys.map((key) => {
    const timing = timings.get(key);
    if (!timing) throw new LatheError('internal', `${key} was not measured`);
    return { key, ...timing, variance: null, energyMj: null };
  });
}

/** Operators that take turns: all of a group fit in memory together. */
function groupsOf(keys: readonly string[], { threads, batch }: MeasureOptions): string[][] {
  const groups: string[][] = [];
  let [group, bytes]: [string[], number] = [[], 0];
  for (const key of keys) {
    const work = workOf(parseKey(key));
    const own = batch * work.bytes + work.weightBytes;
    // Threads of an idle session would disturb the one that runs.
    const isAlone = threads > 1 || key === sessionKey;
    if (group.length > 0 && (isAlone || bytes + own > mostTogetherBytes || group[0] === sessionKey)) {
      groups.push(group);
      [group, bytes] = [[], 0];
    }
    group.push(key);
    bytes += own;
  }
  return group.length > 0 ? [...groups, group] : groups;
}

async function measureGroup(keys: readonly string[], options: MeasureOptions, profileCostMs: number): Promise<[string, Timing][]> {
  const parsed = keys.map(operatorKeyOf);
  const open: RuntimeSession[] = [];
  try {
    for (const key of parsed) open.push(await RuntimeSession.open(graphOf(key), options, true));
    for (let run = 0; run < options.warmup + options.repeats; run += 1) for (const session of open) await session.run();
    const results: [string, Timing][] = [];
    for (const [index, key] of parsed.entries()) {
      const session = open.shift();
      if (!session) break;
      const samples = samplesOf(await session.closeWithProfile(), key, options.batch, profileCostMs).slice(options.warmup);
      results.push([keys[index] ?? '', summarize(samples)]);
    }
    return results;
  } finally {
    for (const session of open) await session.close();
  }
}

function operatorKeyOf(text: string): OperatorKey {
  const key = parseKey(text);
  if (key.scheme === 'operator' && key.bits === null) return key;
  throw new LatheError(
    'bad-input',
    `${text}: this machine is measured operator by operator in float; expected a key of Lathe's own that ends in -bits:float`,
  );
}

function graphOf(key: OperatorKey): Graph {
  try {
    return operatorGraph(key);
  } catch (error) {
    if (error instanceof LatheError) throw new LatheError(error.code, `${formatKey(key)}: ${error.message}`);
    throw error;
  }
}

/** Run by run: the operator with what it was split into, and the changes of layout that it brings with it. */
function samplesOf(profile: readonly OperatorTimes[], key: OperatorKey, batch: number, profileCostMs: number): number[] {
  const isChange = ({ operator }: OperatorTimes): boolean => operator === 'ReorderInput' || operator === 'ReorderOutput';
  const isAround = ({ name }: OperatorTimes): boolean => surroundings.some((prefix) => name.startsWith(prefix));
  const own = profile.filter((times) => !isChange(times) && !isAround(times));
  if (own.length === 0) throw new LatheError('internal', `${formatKey(key)}: ONNX Runtime executes no operator of it`);
  // Tensors come to an operator in the layout of convolutions and go on in it. One that works in another layout has them changed.
  const first = profile.findIndex((times) => !isChange(times)); // before it, the network's own input is changed
  const isWhole = key.kind === 'conv' || key.kind === 'linear' || key.output.length === 1;
  const changes = isWhole
    ? []
    : profile.filter((times, index) => index > first && isChange(times) && times.outputValues >= movedValues(key, batch));
  const counted = [...own, ...changes];
  const runs = Math.min(...counted.map(({ timesMs }) => timesMs.length));
  return Array.from({ length: runs }, (_, run) =>
    counted.reduce((sum, { timesMs }) => sum + Math.max(0, (timesMs[run] ?? 0) - profileCostMs), 0),
  );
}

/** Values of the smaller of its image going in and its image coming out: what a change of its layout moves at least. */
function movedValues({ inputs, output }: OperatorKey, batch: number): number {
  return batch * Math.min(Math.max(...inputs.map(product)), product(output));
}

/** What a run takes apart from its operators: the call, the image going in, the answer coming back. */
async function measureSession(options: MeasureOptions, profileCostMs: number): Promise<Timing> {
  const graph = createGraph(
    [224, 224, 3],
    [
      { kind: 'globalAveragePool', name: 'pooled', input: inputName },
      { kind: 'linear', name: 'classes', input: 'pooled', outFeatures: 1000, bias: true },
    ],
  );
  const inside = await profileOf(graph, options);
  const operatorsMs = inside.reduce((sum, { timesMs }) => sum + Math.max(0, median(timesMs.slice(options.warmup)) - profileCostMs), 0);
  const samples = await wallOf(graph, options);
  return summarize(samples.map((ms) => Math.max(0, ms - operatorsMs)));
}

async function profileOf(graph: Graph, options: MeasureOptions): Promise<OperatorTimes[]> {
  const session = await RuntimeSession.open(graph, options, true);
  for (let run = 0; run < options.warmup + options.repeats; run += 1) await session.run();
  return await session.closeWithProfile();
}

async function wallOf(graph: Graph, options: MeasureOptions): Promise<number[]> {
  const session = await RuntimeSession.open(graph, options, false);
  try {
    for (let run = 0; run < options.warmup; run += 1) await session.run();
    const samples: number[] = [];
    for (let run = 0; run < options.repeats; run += 1) samples.push(await session.run());
    return samples;
  } finally {
    await session.close();
  }
}

const [fewOperators, manyOperators] = [8, 136];
const calibrationRuns = 60;

/**
 * What the profile adds to each operator that it times, in milliseconds: the time that it tells of an operator with next to nothing to do,
 * less what one more such operator adds to a run without a profile.
 */
async function profileCost(options: MeasureOptions): Promise<number> {
  const chain = (length: number): Graph => {
    const window = { kernel: [1, 1], stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1] } as const;
    const specs = Array.from({ length }, (_, at) => {
      const input = at === 0 ? inputName : `c${at - 1}`;
      return { kind: 'conv', name: `c${at}`, input, outChannels: 8, ...window, groups: 8, bias: true } as const;
    });
    const last = { kind: 'globalAveragePool', name: 'pooled', input: `c${length - 1}` } as const;
    return createGraph([1, 1, 8], [...specs, last]);
  };
  const long = { ...options, warmup: 10, repeats: calibrationRuns };
  const least = async (length: number): Promise<number> => Math.min(...(await wallOf(chain(length), long)));
  const slope = ((await least(manyOperators)) - (await least(fewOperators))) / (manyOperators - fewOperators);
  const told = (await profileOf(chain(manyOperators), long)).filter(({ operator }) => operator === 'Conv');
  return Math.max(0, median(told.map(({ timesMs }) => mean(timesMs.slice(long.warmup)))) - slope);
}

/** A whole network, from the call to its answer; energy where the machine tells it. */
export async function measureNetwork(graph: Graph, options: MeasureOptions): Promise<Timing & { readonly energyMj: number | null }> {
  const meter = await EnergyMeter.open();
  const session = await RuntimeSession.open(graph, options, false);
  try {
    let best: (Timing & { energyMj: number | null }) | null = null;
    for (let round = 0; round < leastRounds || (round < mostRounds && (best?.noisy ?? true)); round += 1) {
      for (let run = 0; run < options.warmup; run += 1) await session.run();
      const before = await meter?.read();
      const samples: number[] = [];
      for (let run = 0; run < options.repeats; run += 1) {
        if (options.signal.aborted) throw new LatheError('cancelled', 'measuring was stopped on request');
        samples.push(await session.run());
      }
      const energyMj = meter && before ? meter.between(before, await meter.read()) / options.repeats : null;
      const timing = { ...summarize(samples), energyMj };
      best = best === null || quieter(best, timing) === timing ? timing : best;
    }
    if (best === null) throw new LatheError('internal', 'nothing was measured');
    return best;
  } finally {
    await session.close();
  }
}
