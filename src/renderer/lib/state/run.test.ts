/** A run's page state on a client that the test holds: nothing lost, nothing twice, nothing from before a rewind. */
import { describe, expect, it } from 'vitest';
import type { Input, LatheClient, LatheEvent, Method, Output } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { Metric, RunSummary, StoredLogLine, Trial } from '../../../shared/run.ts';
import { RunView } from './run.svelte.ts';

const trial = (step: number, reward = step): Trial =>
  ({
    step,
    origin: 'agent',
    reward,
    accuracy: 0.5,
    latencyMs: 1,
    energyMj: null,
    sizeBytes: 1,
    macs: 1,
    weightBits: [],
    activationBits: [],
    askedWeightBits: [],
    askedActivationBits: [],
    clippedBy: [],
    noise: null,
    criticLoss: null,
    isBest: false,
    atMs: 0,
  }) satisfies Trial;
const metric = (step: number, value: number): Metric => ({ series: 'train/loss', step, value });
const line = (seq: number): StoredLogLine => ({ seq, atMs: 0, level: 'info', text: `line ${String(seq)}` });
const summary = (revision: number): RunSummary => ({ id: 'r', revision }) as RunSummary;

/** A store of one run; `hold` makes the next readings wait until `release`. */
class TestClient implements LatheClient {
  trials: Trial[] = [];
  metrics: Metric[] = [];
  log: StoredLogLine[] = [];
  revision = 1;
  fails: LatheError | null = null;
  readonly calls: string[] = [];
  #listener: ((event: LatheEvent) => void) | null = null;
  #gate: Promise<void> = Promise.resolve();
  release: () => void = () => undefined;

  hold(): void {
    this.#gate = new Promise((resolve) => (this.release = resolve));
  }

  async call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>> {
    this.calls.push(method);
    const answer = this.#answer(method, input as { fromStep?: number; limit?: number; afterSeq?: number });
    await this.#gate;
    if (this.fails) throw this.fails;
    return answer as Output<M>;
  }

  #answer(method: Method, input: { fromStep?: number; limit?: number; afterSeq?: number }): unknown {
    if (method === 'run.show') return { summary: summary(this.revision), solutions: [], layers: [], checkpoint: null, stages: [] };
    if (method === 'run.trials') return this.trials.filter((t) => t.step >= (input.fromStep ?? 0)).slice(0, input.limit);
    if (method === 'run.metrics') return [...this.metrics];
    return this.log.filter((l) => l.seq > (input.afterSeq ?? 0));
  }

  subscribe(listener: (event: LatheEvent) => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = null);
  }

  push(event: LatheEvent): void {
    this.#listener?.(event);
  }

  get followed(): boolean {
    return this.#listener !== null;
  }
}

const now = (callback: () => void): void => callback();
const settle = async (): Promise<void> => {
  for (let i = 0; i < 8; i += 1) await Promise.resolve();
};
const steps = (view: RunView): number[] => view.trials.map((t) => t.step);

describe('a run that is looked at', () => {
  it('keeps a failure as its sentence and what was there before', async () => {
    const client = new TestClient();
    client.trials = [trial(0)];
    const view = new RunView(client, 'r', now);
    await view.load();
    client.fails = new LatheError('not-found', 'There is no run "r".');
    await view.load();
    expect(view.error?.message).toBe('There is no run "r".');
    expect(steps(view)).toEqual([0]);
  });

  it('reads everything, in pages', async () => {
    const client = new TestClient();
    client.trials = Array.from({ length: 20_001 }, (_, step) => trial(step));
    const view = new RunView(client, 'r', now);
    await view.load();
    expect(view.trials.length).toBe(20_001);
    expect(client.calls.filter((method) => method === 'run.trials').length).toBe(3);
  });

  it('loses nothing that comes while it reads, and takes nothing twice', async () => {
    const client = new TestClient();
    client.trials = [trial(0), trial(1)];
    client.log = [line(1)];
    client.hold();
    const view = new RunView(client, 'r', now);
    const loading = view.load();
    client.push({ name: 'run.trials', payload: { id: 'r', trials: [trial(1), trial(2)] } });
    client.push({ name: 'run.log', payload: { id: 'r', lines: [line(1), line(2)] } });
    client.release();
    await loading;
    expect(steps(view)).toEqual([0, 1, 2]);
    expect(view.log.map((l) => l.seq)).toEqual([1, 2]);
  });

  it('reads again after a rewind and forgets what was pushed before it', async () => {
    const client = new TestClient();
    client.trials = [trial(0), trial(1), trial(2)];
    client.metrics = [metric(0, 3), metric(25, 2)];
    const view = new RunView(client, 'r', now);
    await view.load();
    client.trials = [trial(0)];
    client.metrics = [metric(0, 3)];
    client.hold();
    client.push({ name: 'run.trials', payload: { id: 'r', trials: [trial(3)] } });
    client.push({ name: 'run.rewound', payload: { id: 'r' } });
    client.push({ name: 'run.trials', payload: { id: 'r', trials: [trial(1, 99)] } });
    client.release();
    await settle();
    expect(view.trials.map((t) => [t.step, t.reward])).toEqual([
      [0, 0],
      [1, 99],
    ]);
    expect(view.metrics.get('train/loss')).toEqual({ steps: [0], values: [3] });
  });

  it('fills a hole from the store', async () => {
    const client = new TestClient();
    client.trials = [trial(0)];
    const view = new RunView(client, 'r', now);
    await view.load();
    client.trials = [trial(0), trial(1), trial(2), trial(3)];
    client.push({ name: 'run.trials', payload: { id: 'r', trials: [trial(3)] } });
    await settle();
    expect(steps(view)).toEqual([0, 1, 2, 3]);
  });

  it('never goes back to an older revision', async () => {
    const client = new TestClient();
    client.revision = 5;
    const view = new RunView(client, 'r', now);
    await view.load();
    client.push({ name: 'run.changed', payload: summary(4) });
    expect(view.summary?.revision).toBe(5);
    client.push({ name: 'run.changed', payload: summary(6) });
    expect(view.summary?.revision).toBe(6);
  });

  it('keeps series apart and in order of their steps', async () => {
    const client = new TestClient();
    const view = new RunView(client, 'r', now);
    await view.load();
    client.push({
      name: 'run.metrics',
      payload: { id: 'r', metrics: [metric(0, 3), { series: 'train/accuracy', step: 0, value: 0.1 }, metric(25, 2)] },
    });
    client.push({ name: 'run.metrics', payload: { id: 'r', metrics: [metric(25, 2.5), metric(50, 1)] } });
    expect(view.metrics.get('train/loss')).toEqual({ steps: [0, 25, 50], values: [3, 2.5, 1] });
    expect(view.metrics.get('train/accuracy')).toEqual({ steps: [0], values: [0.1] });
  });

  it('ignores other runs, and stops following when it is closed', async () => {
    const client = new TestClient();
    const view = new RunView(client, 'r', now);
    await view.load();
    client.push({ name: 'run.trials', payload: { id: 'other', trials: [trial(0)] } });
    expect(steps(view)).toEqual([]);
    view.close();
    expect(client.followed).toBe(false);
  });
});
