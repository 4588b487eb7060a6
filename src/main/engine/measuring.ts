/**
 * Where a search has candidates measured whose outcomes do not decide each other: here one after the other, or here and by helpers
 * on other machines at once. A helper is an engine of the same build that has opened the same run from a checkpoint of it, so it reads
 * the same bits; in which order readings come decides nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LatheError } from '../../shared/errors.ts';
import { allOver, type Offer, type Trade, type Traded } from '../../shared/shared-trials.ts';

export type Values = readonly number[];
/** Reads a candidate: the same numbers for the same candidate, whoever measures it. */
export type Measure = (candidate: Values) => Promise<Values>;

export interface Measuring {
  /** Most candidates that are worth handing in at once. */
  readonly most: number;
  /** Hears how many of the candidates that were handed in together are read. */
  onDone: (done: number) => void;
  /** The readings in the order of the candidates. */
  all(candidates: readonly Values[], measure: Measure): Promise<Values[]>;
  /** The checkpoint that a helper opens the run from: it decides all that a measurement does. */
  openFrom(checkpoint: Offer['checkpoint']): void;
  /** No more candidates of this checkpoint come. Returns who has measured how many of them; empty where nobody else could. */
  close(): ReadonlyMap<string, number>;
}

async function oneByOne(candidates: readonly Values[], measure: Measure, onDone: (done: number) => void): Promise<Values[]> {
  const readings: Values[] = [];
  for (const candidate of candidates) onDone(readings.push(await measure(candidate)));
  return readings;
}

export class OwnMeasuring implements Measuring {
  readonly most = 1;
  onDone: (done: number) => void = () => undefined;

  all(candidates: readonly Values[], measure: Measure): Promise<Values[]> {
    return oneByOne(candidates, measure, this.onDone);
  }

  openFrom(): void {
    return undefined; // nobody else has to
  }

  close(): ReadonlyMap<string, number> {
    return new Map();
  }
}

const here = 'this machine';
/** What a helper gets at once at most, and of what is left at most: enough to hide the way there and back, little to wait for at the end. */
const mostGiven = 4;
const shareGiven = 8;

interface Entry {
  readonly index: number;
  readonly candidate: Values;
  isTaken: boolean;
  reading: Values | null;
}

/**
 * The run's owner: measures itself, gives what it has not begun to whoever asks, and measures again what was given and has not come
 * back. So a helper that is lost costs time and nothing else, and without helpers all is as with `OwnMeasuring`.
 */
export class SharedMeasuring implements Measuring {
  readonly most = 32;
  onDone: (done: number) => void = () => undefined;
  private readonly send: (offer: Offer) => void;
  private readonly now: () => number;
  private checkpoint: Offer['checkpoint'] | null = null;
  private entries: Entry[] = [];
  private nextIndex = 0;
  private epoch = 0;
  private ownMs = 0;
  private measured = new Map<string, number>();
  private disagreement: LatheError | null = null;
  private wake: () => void = () => undefined;

  constructor(send: (offer: Offer) => void, now: () => number) {
    this.send = send;
    this.now = now;
  }

  openFrom(checkpoint: Offer['checkpoint']): void {
    this.checkpoint = checkpoint;
  }

  async all(candidates: readonly Values[], measure: Measure): Promise<Values[]> {
    const { checkpoint } = this;
    if (candidates.length < 2 || !checkpoint) return await oneByOne(candidates, measure, this.onDone);
    this.entries = candidates.map((candidate) => ({ index: this.nextIndex++, candidate, isTaken: false, reading: null }));
    this.send({ epoch: this.epoch, candidates: candidates.length, checkpoint });
    try {
      for (let entry = await this.nextOwn(); entry; entry = await this.nextOwn()) {
        entry.isTaken = true;
        const startMs = this.now();
        const reading = await measure(entry.candidate);
        this.ownMs = this.now() - startMs;
        this.settle(entry, reading, here);
      }
      return this.entries.map(({ reading }) => reading ?? []);
    } finally {
      this.entries = [];
      this.send({ epoch: this.epoch, candidates: 0, checkpoint });
    }
  }

  /** Takes what a helper has read and gives it the next ones. */
  trade({ by, epoch, readings }: Trade): Traded {
    if (epoch !== this.epoch) return allOver;
    for (const { index, values } of readings) {
      const entry = this.entries.find((candidate) => candidate.index === index);
      if (entry) this.settle(entry, values.map(Number), by);
    }
    const open = this.entries.filter(({ isTaken }) => !isTaken);
    const given = open.slice(0, Math.max(1, Math.min(mostGiven, Math.floor(open.length / shareGiven))));
    for (const entry of given) entry.isTaken = true;
    return { isOver: false, candidates: given.map(({ index, candidate }) => ({ index, values: [...candidate] })) };
  }

  close(): ReadonlyMap<string, number> {
    const { measured } = this;
    this.epoch += 1;
    this.checkpoint = null;
    this.measured = new Map();
    return measured;
  }

  /** One that nobody has begun; else one that was given away and does not come back for as long as it takes here; null: all are read. */
  private async nextOwn(): Promise<Entry | null> {
    const missing = (): Entry | undefined => this.entries.find(({ reading }) => reading === null);
    const untaken = this.entries.find(({ isTaken }) => !isTaken);
    if (!untaken && missing()) await this.settled(this.ownMs);
    if (this.disagreement) throw this.disagreement;
    return untaken ?? missing() ?? null;
  }

  /** Resolves when all are read, or after this time. */
  private async settled(patienceMs: number): Promise<void> {
    const late = new AbortController();
    await Promise.race([
      sleep(patienceMs, undefined, { signal: late.signal }).catch(() => undefined),
      new Promise<void>((resolve) => (this.wake = resolve)),
    ]);
    late.abort();
  }

  private settle(entry: Entry, reading: Values, by: string): void {
    if (entry.reading) {
      if (!isSame(entry.reading, reading))
        this.disagreement = new LatheError(
          'internal',
          `candidate ${String(entry.index)}: ${by} read ${reading.join(' ')}, another machine ${entry.reading.join(' ')}; one of them computes wrongly, look at its memory`,
        );
      return;
    }
    entry.reading = reading;
    this.measured.set(by, (this.measured.get(by) ?? 0) + 1);
    const done = this.entries.filter((other) => other.reading !== null).length;
    this.onDone(done);
    if (done === this.entries.length) this.wake();
  }
}

function isSame(a: Values, b: Values): boolean {
  return a.length === b.length && a.every((value, index) => Object.is(value, b[index]));
}

const idleMs = 100; // between two questions for work
const patienceMs = 10_000; // without any: the slot is another's

/** A helper: asks for candidates and measures them until there are none any more. */
export class Helping {
  private readonly ask: (readings: Trade['readings']) => Promise<Traded>;

  constructor(ask: (readings: Trade['readings']) => Promise<Traded>) {
    this.ask = ask;
  }

  async serve(measure: Measure): Promise<void> {
    let readings: Trade['readings'] = [];
    for (let idle = 0; idle < patienceMs;) {
      const { isOver, candidates } = await this.ask(readings);
      if (isOver) return;
      readings = [];
      for (const { index, values } of candidates) readings.push({ index, values: (await measure(values)).map(String) });
      if (candidates.length > 0) idle = 0;
      else {
        await sleep(idleMs);
        idle += idleMs;
      }
    }
  }
}
