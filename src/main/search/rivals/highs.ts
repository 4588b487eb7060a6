/** The integer-programming solver HiGHS (its WebAssembly build), beside this thread: who waits for an answer can be told to stop. */
import { Worker } from 'node:worker_threads';
import { LatheError } from '../../../shared/errors.ts';

export interface HighsQuestion {
  readonly id: number;
  readonly program: string; // in CPLEX's LP format
  readonly relativeGap: number; // from the best, at which an answer is good enough
}

export type HighsAnswer =
  | { readonly id: number; readonly status: string; readonly values: Readonly<Record<string, number>> } // by column
  | { readonly id: number; readonly error: string };

export type HighsSolution = Extract<HighsAnswer, { status: string }>;

interface Waiting {
  readonly resolve: (solution: HighsSolution) => void;
  readonly reject: (error: Error) => void;
}

export class Highs {
  private readonly signal: AbortSignal | null;
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | null = null;
  private asked = 0;

  /** Once `signal` is aborted, waiting ends at once with LatheError cancelled. */
  constructor(signal: AbortSignal | null) {
    this.signal = signal;
    signal?.addEventListener('abort', () => this.end(new LatheError('cancelled', 'cancelled on request')));
  }

  /** Resolves when the thread works; it is started where it does not yet. */
  async ready(): Promise<void> {
    await this.solve('Minimize\n obj: x\nSubject To\n c: x >= 1\nEnd\n', 0);
  }

  /** Rejects with LatheError internal where the solver breaks. The same program has the same answer. */
  async solve(program: string, relativeGap: number): Promise<HighsSolution> {
    if (this.signal?.aborted) throw new LatheError('cancelled', 'cancelled on request');
    const worker = (this.worker ??= this.start());
    this.asked += 1;
    const id = this.asked;
    worker.ref(); // the process stays while somebody waits, and no longer
    try {
      return await new Promise<HighsSolution>((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        worker.postMessage({ id, program, relativeGap } satisfies HighsQuestion);
      });
    } finally {
      this.waiting.delete(id);
      if (this.waiting.size === 0) worker.unref();
    }
  }

  private start(): Worker {
    const name = import.meta.url.endsWith('.ts') ? './highs-worker.ts' : './highs-worker.js';
    const worker = new Worker(new URL(name, import.meta.url), { name: 'lathe-highs', execArgv: [] });
    worker.on('message', (answer: HighsAnswer) => {
      const waiting = this.waiting.get(answer.id);
      if ('error' in answer) waiting?.reject(new LatheError('internal', `the integer program could not be solved: ${answer.error}`));
      else waiting?.resolve(answer);
    });
    const broken = (reason: string): void => {
      if (this.worker === worker) this.end(new LatheError('internal', `the solver of integer programs ended: ${reason}`));
    };
    worker.on('error', (error: Error) => broken(error.message));
    worker.on('exit', (code) => broken(`exit code ${String(code)}`));
    return worker;
  }

  private end(error: Error): void {
    const { worker } = this;
    this.worker = null;
    void worker?.terminate();
    for (const { reject } of this.waiting.values()) reject(error);
  }
}
