/** The peers: programs of their own that are asked line by line, so that their threads are not in this process. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chainOf, paddingOf } from './works.ts';
import type { ConvShape, Work } from './works.ts';
import { writeConvModel, writeNetworkModel } from './onnx-models.ts';

/** Milliseconds of each repeat; null where the peer has nothing to compare. */
export interface Peer {
  readonly name: string;
  run(work: Work, threads: number, repeats: number): Promise<readonly number[] | null>;
  stop(): void;
}

export interface Peers {
  readonly peers: readonly Peer[];
  /** One sentence for each peer that is not there. */
  readonly missing: readonly string[];
}

const folder = join(import.meta.dirname, 'peers');

/** Starts every peer that is installed. */
export function startPeers(): Peers {
  const peers: Peer[] = [startOnnxRuntime()];
  const missing: string[] = [];
  for (const start of [startOneDnn, startPyTorch]) {
    const started = start();
    if (typeof started === 'string') missing.push(started);
    else peers.push(started);
  }
  return { peers, missing };
}

/** A child that answers each request line with one line. */
class LineProgram {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  constructor(file: string, args: readonly string[]) {
    this.#child = spawn(file, args);
    this.#child.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(lines: readonly string[]): Promise<string> {
    this.#child.stdin.write(`${lines.join('\n')}\n`);
    const answer = await this.#lines.next();
    if (answer.done === true) throw new Error(`a peer ended: ${this.#errors.trim()}`);
    if (answer.value.startsWith('error')) throw new Error(answer.value);
    return answer.value;
  }

  async times(lines: readonly string[]): Promise<readonly number[]> {
    return (await this.ask(lines)).trim().split(/\s+/).map(Number);
  }

  stop(): void {
    this.#child.kill();
  }
}

/** A peer that knows `threads N`, `conv PASS ...` and, for chains, `train ...` (oneDNN and PyTorch). */
class TextPeer implements Peer {
  readonly name: string;
  readonly #program: LineProgram;
  readonly #knows: (work: Work) => boolean;

  constructor(name: string, program: LineProgram, knows: (work: Work) => boolean) {
    this.name = name;
    this.#program = program;
    this.#knows = knows;
  }

  async run(work: Work, threads: number, repeats: number): Promise<readonly number[] | null> {
    if (work.kind === 'inference' || work.kind === 'integer' || !this.#knows(work)) return null;
    await this.#program.ask([`threads ${threads}`]);
    if (work.kind === 'kernel') return this.#runKernel(work.conv, work.pass, repeats);
    const [height, width, channels] = work.graph.inputShape;
    const layers = chainOf(work.graph) ?? ['resnet20'];
    return this.#program.times([`train ${repeats} ${work.batch} ${height} ${width} ${channels} ${layers.length}`, ...layers]);
  }

  /** Both gradients are two calls; the n-th repeat of one is added to the n-th of the other. */
  async #runKernel(conv: ConvShape, pass: 'forward' | 'backward', repeats: number): Promise<readonly number[]> {
    const { batch, side, inChannels, outChannels, kernel, stride, groups } = conv;
    const shape = `${repeats} ${batch} ${side} ${side} ${inChannels} ${outChannels} ${kernel} ${stride} ${paddingOf(conv)} ${groups}`;
    if (pass === 'forward') return this.#program.times([`conv infer ${shape}`]);
    const data = (await this.#program.times([`conv backwardData ${shape}`])).toSorted((a, b) => a - b);
    const weights = (await this.#program.times([`conv backwardWeights ${shape}`])).toSorted((a, b) => a - b);
    return data.map((ms, i) => ms + (weights[i] ?? Number.NaN));
  }

  stop(): void {
    this.#program.stop();
  }
}

function startOneDnn(): Peer | string {
  const header = ['/usr/include/dnnl.hpp', '/usr/local/include/dnnl.hpp'].find((path) => existsSync(path));
  if (header === undefined) return 'oneDNN is left out: its headers (dnnl.hpp; Debian: libdnnl-dev) are not installed';
  const source = join(folder, 'onednn.cpp');
  const cache = join(import.meta.dirname, '..', 'out', 'bench');
  const program = join(cache, 'onednn');
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(cache, { recursive: true });
    const args = ['-std=c++17', '-O3', '-march=native', '-fopenmp', source, '-o', program, '-ldnnl'];
    const built = spawnSync('c++', args, { encoding: 'utf8' });
    if (built.status !== 0) return `oneDNN is left out: c++ could not build ${source}: ${(built.error?.message ?? built.stderr).trim()}`;
  }
  return new TextPeer('oneDNN', new LineProgram(program, []), (work) => work.kind === 'kernel' || chainOf(work.graph) !== null);
}

function startPyTorch(): Peer | string {
  const python = '/usr/bin/python3';
  const found = existsSync(python) && spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' }).status === 0;
  if (!found) return `PyTorch is left out: ${python} has no torch (Debian: python3-torch)`;
  return new TextPeer('PyTorch', new LineProgram(python, [join(folder, 'pytorch.py')]), () => true);
}

function startOnnxRuntime(): Peer {
  const program = new LineProgram(process.execPath, [join(folder, 'onnxruntime.ts')]);
  const models = mkdtempSync(join(tmpdir(), 'lathe-bench-'));
  const written = new Set<string>();
  return {
    name: 'ONNX Runtime',
    async run(work, threads, repeats) {
      if (work.kind === 'training' || work.kind === 'integer' || (work.kind === 'kernel' && work.pass === 'backward')) return null;
      const file = join(models, `${work.name.replaceAll(/[^\w.-]+/g, '_')}.onnx`);
      if (!written.has(file)) {
        writeFileSync(file, work.kind === 'kernel' ? writeConvModel(work.conv) : writeNetworkModel(work.graph));
        written.add(file);
      }
      const [height, width, channels] =
        work.kind === 'kernel' ? [work.conv.side, work.conv.side, work.conv.inChannels] : work.graph.inputShape;
      const batch = work.kind === 'kernel' ? work.conv.batch : work.batch;
      return program.times([JSON.stringify({ file, threads, repeats, dims: [batch, channels, height, width] })]);
    },
    stop() {
      program.stop();
      rmSync(models, { recursive: true, force: true });
    },
  };
}
