/** One run in full, for its page: read from the store first, then followed by events. */
import type { LatheClient, LatheEvent } from '../../../shared/contract.ts';
import type { LatheError } from '../../../shared/errors.ts';
import type { Metric, RunDetail, RunSummary, StoredLogLine, Trial } from '../../../shared/run.ts';
import { FrameBatch } from './batch.ts';
import { asLatheError } from './loader.svelte.ts';
import { mergeByKey } from './merge.ts';

/** A series of points, sorted by step. */
export interface Series {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

const trialsAPage = 10_000;
const logLinesAPage = 10_000;
const stepOf = (item: { readonly step: number }): number => item.step;
const seqOf = (line: StoredLogLine): number => line.seq;

export class RunView {
  readonly id: string;
  detail = $state.raw<RunDetail | null>(null);
  summary = $state.raw<RunSummary | null>(null);
  trials = $state.raw<readonly Trial[]>([]);
  metrics = $state.raw<ReadonlyMap<string, Series>>(new Map());
  log = $state.raw<readonly StoredLogLine[]>([]);
  error = $state.raw<LatheError | null>(null);
  loaded = $state(false);
  readonly #client: LatheClient;
  readonly #batch: FrameBatch<LatheEvent>;
  readonly #points = new Map<string, readonly Metric[]>();
  #turn = 0;
  #reading = false;
  #held: readonly LatheEvent[] = []; // came while reading
  readonly #stop: () => void;

  constructor(client: LatheClient, id: string, schedule?: (callback: () => void) => void) {
    this.id = id;
    this.#client = client;
    this.#batch = new FrameBatch((events) => this.#apply(events), schedule);
    this.#stop = client.subscribe((event) => {
      if ('id' in event.payload && event.payload.id === id) this.#batch.add(event);
    });
  }

  /** Ends following. */
  close(): void {
    this.#turn += 1;
    this.#stop();
  }

  /** Reads everything; what is on screen stays until all of it is there. */
  async load(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    this.#reading = true;
    try {
      const [detail, trials, metrics, log] = await Promise.all([
        this.#client.call('run.show', { id: this.id }),
        this.#readTrials(0),
        this.#client.call('run.metrics', { id: this.id }),
        this.#readLog(),
      ]);
      if (turn !== this.#turn) return;
      this.detail = detail;
      this.#putSummary(detail.summary);
      this.trials = trials;
      this.#points.clear();
      this.#putMetrics(metrics);
      this.log = log;
      this.error = null;
      this.loaded = true;
    } catch (error) {
      if (turn !== this.#turn) return;
      this.error = asLatheError(error);
    }
    this.#reading = false;
    this.#batch.flush();
    this.#apply([]); // what came while reading, and is newer or the same
  }

  /** Puts what a call returned, without waiting for its event. */
  put(summary: RunSummary): void {
    this.#putSummary(summary);
  }

  #putSummary(summary: RunSummary): void {
    if (this.summary === null || summary.revision >= this.summary.revision) this.summary = summary;
  }

  #apply(events: readonly LatheEvent[]): void {
    const all = this.#held.length > 0 ? [...this.#held, ...events] : events;
    this.#held = [];
    const rewound = all.findLastIndex((event) => event.name === 'run.rewound');
    if (rewound >= 0) {
      this.#held = all.slice(rewound + 1); // what came before it is gone
      void this.load();
      return;
    }
    if (this.#reading) {
      this.#held = all;
      return;
    }
    const trials: Trial[] = [];
    const metrics: Metric[] = [];
    const lines: StoredLogLine[] = [];
    let showAgain = false;
    for (const event of all) {
      if (event.name === 'run.changed') this.#putSummary(event.payload);
      else if (event.name === 'run.trials') trials.push(...event.payload.trials);
      else if (event.name === 'run.metrics') metrics.push(...event.payload.metrics);
      else if (event.name === 'run.log') lines.push(...event.payload.lines);
      else if (event.name === 'run.solutions') showAgain = true;
    }
    if (trials.length > 0) this.#putTrials(trials);
    if (metrics.length > 0) this.#putMetrics(metrics);
    if (lines.length > 0) this.log = mergeByKey(this.log, lines, seqOf);
    if (showAgain) void this.#showAgain();
  }

  #putTrials(incoming: readonly Trial[]): void {
    const last = this.trials.at(-1);
    const first = incoming[0];
    this.trials = mergeByKey(this.trials, incoming, stepOf);
    // A hole means that an event was missed; the store has what is in it.
    if (last !== undefined && first !== undefined && first.step > last.step + 1) void this.#fillTrials(last.step + 1);
  }

  async #fillTrials(fromStep: number): Promise<void> {
    const turn = this.#turn;
    try {
      const trials = await this.#readTrials(fromStep);
      if (turn === this.#turn) this.trials = mergeByKey(this.trials, trials, stepOf);
    } catch (error) {
      if (turn === this.#turn) this.error = asLatheError(error);
    }
  }

  #putMetrics(incoming: readonly Metric[]): void {
    const bySeries = new Map<string, Metric[]>();
    for (const metric of incoming) {
      const points = bySeries.get(metric.series);
      if (points === undefined) bySeries.set(metric.series, [metric]);
      else points.push(metric);
    }
    const next = new Map(this.#points.size === 0 ? [] : this.metrics);
    for (const [series, points] of bySeries) {
      const merged = mergeByKey(this.#points.get(series) ?? [], points, stepOf);
      this.#points.set(series, merged);
      next.set(series, { steps: merged.map((point) => point.step), values: merged.map((point) => point.value) });
    }
    this.metrics = next;
  }

  async #showAgain(): Promise<void> {
    const turn = this.#turn;
    try {
      const detail = await this.#client.call('run.show', { id: this.id });
      if (turn !== this.#turn) return;
      this.detail = detail;
      this.#putSummary(detail.summary);
    } catch (error) {
      if (turn === this.#turn) this.error = asLatheError(error);
    }
  }

  async #readTrials(fromStep: number): Promise<readonly Trial[]> {
    const all: Trial[] = [];
    let from = fromStep;
    for (;;) {
      const page = await this.#client.call('run.trials', { id: this.id, fromStep: from, limit: trialsAPage });
      for (const trial of page) all.push(trial);
      const last = page.at(-1);
      if (last === undefined || page.length < trialsAPage) return all;
      from = last.step + 1;
    }
  }

  async #readLog(): Promise<readonly StoredLogLine[]> {
    const all: StoredLogLine[] = [];
    let after = 0;
    for (;;) {
      const page = await this.#client.call('run.log', { id: this.id, afterSeq: after, limit: logLinesAPage });
      for (const line of page) all.push(line);
      const last = page.at(-1);
      if (last === undefined || page.length < logLinesAPage) return all;
      after = last.seq;
    }
  }
}
