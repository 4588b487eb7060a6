/** Table metric (SQLite keeps -0 as 0, here and in every other column). Read a series at a time, as columns: a hundred thousand points cross to the other thread as two arrays. */
import type Database from 'better-sqlite3';
import type { Metric } from '../../../shared/run.ts';
import type { Versioned } from './superseded.ts';

/** Points of several series, one series behind the other. */
export interface MetricColumns {
  readonly series: readonly { readonly name: string; readonly points: number }[];
  readonly steps: Float64Array;
  readonly values: Float64Array;
}

type Point = readonly [step: number, value: number];

export class MetricRepository {
  readonly #insert: Database.Statement<[number, string, number, number, number]>;
  readonly #replace: Database.Statement<[number, string, number, number, number]>;
  readonly #find: Database.Statement<[number, string, number], { value: number; revision: number }>;
  readonly #points: Database.Statement<[number, string, number], Point>;
  readonly #firstSeries: Database.Statement<[number], string | null>;
  readonly #nextSeries: Database.Statement<[number, string], string | null>;
  readonly #last: Database.Statement<[number, string], number>;
  readonly #deleteAfter: Database.Statement<[number, number]>;

  constructor(db: Database.Database) {
    const into = 'INTO metric (run, series, step, value, revision) VALUES (?, ?, ?, ?, ?)';
    this.#insert = db.prepare(`INSERT ${into} ON CONFLICT DO NOTHING`);
    this.#replace = db.prepare(`REPLACE ${into}`);
    this.#find = db.prepare('SELECT value, revision FROM metric WHERE run = ? AND series = ? AND step = ?');
    this.#points = db
      .prepare<[number, string, number], Point>('SELECT step, value FROM metric WHERE run = ? AND series = ? AND step >= ? ORDER BY step')
      .raw();
    this.#firstSeries = db.prepare<[number], string | null>('SELECT min(series) FROM metric WHERE run = ?').pluck();
    this.#nextSeries = db.prepare<[number, string], string | null>('SELECT min(series) FROM metric WHERE run = ? AND series > ?').pluck();
    this.#last = db
      .prepare<[number, string], number>('SELECT value FROM metric WHERE run = ? AND series = ? ORDER BY step DESC LIMIT 1')
      .pluck();
    this.#deleteAfter = db.prepare('DELETE FROM metric WHERE run = ? AND revision > ?');
  }

  /** Writes points; returns those of the same series and step that they replaced. */
  put(run: number, metrics: readonly Metric[], revision: number): Versioned<Metric>[] {
    const replaced: Versioned<Metric>[] = [];
    for (const { series, step, value } of metrics) {
      if (this.#insert.run(run, series, step, value, revision).changes > 0) continue;
      const old = this.#find.get(run, series, step);
      if (old) replaced.push({ record: { series, step, value: old.value }, revision: old.revision });
      this.#replace.run(run, series, step, value, revision);
    }
    return replaced;
  }

  /** All points from a step on, of one series or of all in the order of their names; each series in the order of its steps. */
  columns(run: number, fromStep: number, series?: string): MetricColumns {
    const names = series === undefined ? this.#seriesOf(run) : [series];
    const parts = names.map((name) => ({ name, points: this.#points.all(run, name, fromStep) })).filter(({ points }) => points.length > 0);
    const total = parts.reduce((sum, { points }) => sum + points.length, 0);
    const steps = new Float64Array(total);
    const values = new Float64Array(total);
    let at = 0;
    for (const { points } of parts) {
      for (const [step, value] of points) {
        steps[at] = step;
        values[at] = value;
        at += 1;
      }
    }
    return { series: parts.map(({ name, points }) => ({ name, points: points.length })), steps, values };
  }

  /** The value at a series' last step, or null. */
  last(run: number, series: string): number | null {
    return this.#last.get(run, series) ?? null;
  }

  /** Deletes what was written after a revision; returns how many. */
  deleteAfter(run: number, revision: number): number {
    return this.#deleteAfter.run(run, revision).changes;
  }

  /** By skipping through the primary key: DISTINCT would read every point. */
  #seriesOf(run: number): string[] {
    const names: string[] = [];
    let name = this.#firstSeries.get(run) ?? null;
    while (name !== null) {
      names.push(name);
      name = this.#nextSeries.get(run, name) ?? null;
    }
    return names;
  }
}

/** Points as records, on the side that asked. */
export function metricsOf({ series, steps, values }: MetricColumns): Metric[] {
  const metrics: Metric[] = [];
  let at = 0;
  for (const { name, points } of series) {
    for (const end = at + points; at < end; at += 1) metrics.push({ series: name, step: steps[at] ?? NaN, value: values[at] ?? NaN });
  }
  return metrics;
}
