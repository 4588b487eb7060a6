/** What a filter can ask of a run: its fields with their kind, unit and meaning. The store has an SQL expression for each. */
import { z } from 'zod';
import { elapsedSeconds, gainOf } from '../run-figures.ts';
import type { RunSummary } from '../run.ts';

interface FieldOf<Kind extends string, Value> {
  readonly kind: Kind;
  readonly about: string;
  readonly read: (run: RunSummary) => Value;
}
export type RunField =
  | FieldOf<'text', string | null>
  | FieldOf<'number', number | null>
  | FieldOf<'date', number | null> // Unix milliseconds
  | FieldOf<'flag', boolean>
  | FieldOf<'list', readonly string[]>;

export const runFieldNameSchema = z.enum([
  'name',
  'id',
  'method',
  'network',
  'dataset',
  'target',
  'status',
  'tag',
  'note',
  'star',
  'archived',
  'trashed',
  'seed',
  'trials',
  'accuracy',
  'testAccuracy',
  'validationAccuracy',
  'gain',
  'reward',
  'latencyMs',
  'energyMj',
  'sizeBytes',
  'durationSeconds',
  'created',
  'started',
  'finished',
]);
export type RunFieldName = z.infer<typeof runFieldNameSchema>;

export const runFields: Readonly<Record<RunFieldName, RunField>> = {
  name: { kind: 'text', about: 'its name', read: (run) => run.name },
  id: { kind: 'text', about: 'its id', read: (run) => run.id },
  method: { kind: 'text', about: 'train, prune, quantize, specialize or pipeline', read: (run) => run.method },
  network: { kind: 'text', about: 'the network, as in the table', read: (run) => run.network },
  dataset: { kind: 'text', about: 'the data set', read: (run) => run.dataset },
  target: { kind: 'text', about: 'the hardware target', read: (run) => run.target },
  status: { kind: 'text', about: 'queued, running, paused, interrupted, failed, cancelled or completed', read: (run) => run.status },
  tag: { kind: 'list', about: 'one of its tags', read: (run) => run.tags },
  note: { kind: 'text', about: 'your note', read: (run) => run.note },
  star: { kind: 'flag', about: 'has a star', read: (run) => run.star },
  archived: { kind: 'flag', about: 'lies in the archive', read: (run) => run.place === 'archive' },
  trashed: { kind: 'flag', about: 'lies in the trash', read: (run) => run.place === 'trash' },
  seed: { kind: 'number', about: 'the seed', read: (run) => run.seed },
  trials: { kind: 'number', about: 'trials made so far', read: (run) => run.trials },
  accuracy: {
    kind: 'number',
    about: 'of the best: on the test split where it is known, else on the validation images',
    read: (run) => run.bestTestAccuracy ?? run.bestAccuracy,
  },
  testAccuracy: { kind: 'number', about: 'of the best on the test split', read: (run) => run.bestTestAccuracy },
  validationAccuracy: { kind: 'number', about: 'of the best on the validation images', read: (run) => run.bestAccuracy },
  gain: { kind: 'number', about: 'accuracy over the best uniform baseline', read: (run) => gainOf(run)?.value ?? null },
  reward: { kind: 'number', about: 'the best reward', read: (run) => run.bestReward },
  latencyMs: { kind: 'number', about: 'of the best, milliseconds a batch', read: (run) => run.bestLatencyMs },
  energyMj: { kind: 'number', about: 'of the best, millijoules a batch', read: (run) => run.bestEnergyMj },
  sizeBytes: { kind: 'number', about: 'of the best’s weights', read: (run) => run.bestSizeBytes },
  durationSeconds: {
    kind: 'number',
    about: 'from start to end; unknown while it runs',
    read: (run) => (run.finishedAtMs === null ? null : elapsedSeconds(run, run.finishedAtMs)),
  },
  created: { kind: 'date', about: 'when it was made, UTC', read: (run) => run.createdAtMs },
  started: { kind: 'date', about: 'when it first started, UTC', read: (run) => run.startedAtMs },
  finished: { kind: 'date', about: 'when it ended, UTC', read: (run) => run.finishedAtMs },
};

/** Where a bare word is looked for, besides the tags. */
export const wordFields = [
  'name',
  'id',
  'method',
  'network',
  'dataset',
  'target',
  'status',
  'note',
] as const satisfies readonly RunFieldName[];

const byLowerCase: ReadonlyMap<string, RunFieldName> = new Map(runFieldNameSchema.options.map((name) => [name.toLowerCase(), name]));

/** The field of this name in any case, or null. */
export function findField(word: string): RunFieldName | null {
  return byLowerCase.get(word.toLowerCase()) ?? null;
}

/** Case folding of `~` and of words: one rule for the predicate and for SQL. */
export function containsText(text: string, part: string): boolean {
  return text.toLowerCase().includes(part.toLowerCase());
}
