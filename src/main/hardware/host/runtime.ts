/** ONNX Runtime on this machine's processor: a network's session, what a run takes as a whole, and what each of its operators takes inside. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { z } from 'zod';
import { LatheError } from '../../../shared/errors.ts';
import type { Graph } from '../../network/graph.ts';
import { exportOnnx } from '../../network/onnx/export.ts';
import { product } from '../../network/shape.ts';

export interface RuntimeOptions {
  readonly threads: number;
  readonly batch: number;
}

/** Of a session with a profile: each operator's times, run by run, in milliseconds. */
export interface OperatorTimes {
  readonly name: string; // as the runtime calls it after it has merged operators
  readonly operator: string; // as `Conv` or `ReorderInput`
  readonly outputValues: number; // 0: not told
  readonly timesMs: readonly number[];
}

/** A session of a graph with made-up weights, and an input for it. */
export class RuntimeSession {
  readonly #session: InferenceSession;
  readonly #feeds: Record<string, Tensor>;
  readonly #profileFolder: string | null;

  private constructor(session: InferenceSession, feeds: Record<string, Tensor>, profileFolder: string | null) {
    this.#session = session;
    this.#feeds = feeds;
    this.#profileFolder = profileFolder;
  }

  static async open(graph: Graph, { threads, batch }: RuntimeOptions, profiled: boolean): Promise<RuntimeSession> {
    const folder = profiled ? await mkdtemp(join(tmpdir(), 'lathe-profile-')) : null;
    try {
      const session = await InferenceSession.create(modelOf(graph), {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        ...(folder === null ? {} : { enableProfiling: true, profileFilePrefix: join(folder, 'profile') }),
      });
      const [height, width, channels] = graph.inputShape;
      const input = Float32Array.from({ length: batch * height * width * channels }, noise());
      const [name = 'input'] = session.inputNames;
      return new RuntimeSession(session, { [name]: new Tensor('float32', input, [batch, channels, height, width]) }, folder);
    } catch (error) {
      if (folder !== null) await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Milliseconds of one run, from the call to its answer. */
  async run(): Promise<number> {
    const start = performance.now();
    await this.#session.run(this.#feeds);
    return performance.now() - start;
  }

  /** Ends a profiled session and tells what each operator took. */
  async closeWithProfile(): Promise<OperatorTimes[]> {
    if (this.#profileFolder === null) throw new Error('the session was opened without a profile');
    this.#session.endProfiling();
    await this.#session.release();
    const [file] = await readdir(this.#profileFolder);
    if (file === undefined) throw new LatheError('internal', 'ONNX Runtime wrote no profile');
    const text = await readFile(join(this.#profileFolder, file), 'utf8');
    await rm(this.#profileFolder, { recursive: true, force: true });
    return operatorTimes(JSON.parse(text));
  }

  async close(): Promise<void> {
    await this.#session.release();
    if (this.#profileFolder !== null) await rm(this.#profileFolder, { recursive: true, force: true });
  }
}

const eventSchema = z.object({
  cat: z.string(),
  name: z.string(),
  dur: z.number().nonnegative(), // microseconds
  args: z
    .object({ op_name: z.string().optional(), output_type_shape: z.array(z.record(z.string(), z.array(z.number()))).optional() })
    .optional(),
});
const suffix = '_kernel_time';

function operatorTimes(profile: unknown): OperatorTimes[] {
  const found = new Map<string, { operator: string; outputValues: number; timesMs: number[] }>();
  for (const { cat, name, dur, args } of eventSchema.array().parse(profile)) {
    if (cat !== 'Node' || !name.endsWith(suffix)) continue;
    const shape = Object.values(args?.output_type_shape?.[0] ?? {})[0];
    const entry = found.get(name) ?? { operator: args?.op_name ?? '', outputValues: shape ? product(shape) : 0, timesMs: [] };
    entry.timesMs.push(dur / 1000);
    found.set(name, entry);
  }
  return Array.from(found, ([name, entry]) => ({ name: name.slice(0, -suffix.length), ...entry }));
}

/** The graph as an ONNX file. Latency does not depend on the values, but for denormal ones, which these are not. */
function modelOf(graph: Graph): Uint8Array {
  const sizes = new Map<string, number>();
  for (const { spec, inputShapes, outputShape } of graph.nodes) {
    const channels = outputShape.at(-1) ?? 0;
    const read = inputShapes[0]?.at(-1) ?? 0;
    if (spec.kind === 'conv') sizes.set(`${spec.name} weight`, channels * (read / spec.groups) * product(spec.kernel));
    if (spec.kind === 'linear') sizes.set(`${spec.name} weight`, channels * read);
    for (const role of ['bias', 'gamma', 'beta', 'runningMean', 'runningVariance', 'scale', 'shift'])
      sizes.set(`${spec.name} ${role}`, channels);
  }
  const next = noise();
  const valueOf = (op: string, role: string): Float32Array => {
    const values = new Float32Array(sizes.get(`${op} ${role}`) ?? 0);
    if (role === 'gamma' || role === 'runningVariance' || role === 'scale') return values.fill(1);
    for (let i = 0; i < values.length; i += 1) values[i] = 0.1 * next();
    return values;
  };
  return exportOnnx(graph, valueOf, { producerVersion: 'latency' }).bytes;
}

/** Cheap numbers in -0.5 .. 0.5, away from 0: a network has millions of weights and each is used once. */
function noise(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const value = state / 2 ** 32 - 0.5;
    return Math.abs(value) < 1e-3 ? 1e-3 : value;
  };
}
