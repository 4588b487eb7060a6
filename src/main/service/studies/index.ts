/** Studies: what there is to start, what was started, and its results. Runs belong to the runs; a study says what each is in a grid. */
import { randomInt } from 'node:crypto';
import { contract, type Output, type Parsed } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { runRequestSchema, type Where, type RunRequest, type RunSummary } from '../../../shared/run.ts';
import { comparedMethods, type StudyPreset, type StudyRecord, type StudyReport, type StudySummary } from '../../../shared/study.ts';
import type { Store } from '../../store/types.ts';
import type { RunRecord } from '../run-record.ts';
import type { Runs } from '../runs.ts';
import { comparisonKind, comparisonTables } from './comparison.ts';
import type { Labels, StudyDefinition, StudyWorld } from './definition.ts';
import { table3, table4 } from './amc-tables.ts';
import { figure3, figure4 } from './haq-figures.ts';
import { rivalsGrid } from './haq-rivals.ts';
import { table5, table6, table7 } from './haq-tables.ts';
import { figure2, table1, table2 } from './proxyless-tables.ts';

/** Every study that can be started by its name. Another search adds its own here. */
const definitions: readonly StudyDefinition[] = [
  ...[table1, table2, table3, table4, table5, table6, table7],
  ...[figure2, figure3, figure4],
  rivalsGrid,
];

export interface StudiesOptions {
  readonly store: Store;
  readonly record: RunRecord;
  readonly runs: Runs;
  readonly world: StudyWorld;
}

export class Studies {
  private readonly options: StudiesOptions;

  constructor(options: StudiesOptions) {
    this.options = options;
  }

  async list(): Promise<Output<'study.list'>> {
    const records = await this.options.store.listStudies();
    const runs = await this.runsById();
    return {
      definitions: definitions.map(({ id, title, description, presets }) => ({
        id,
        title,
        description,
        presets: (['quick', 'full'] as const).map((preset) => ({ id: preset, description: presets[preset] })),
      })),
      studies: records.map((record) => summaryOf(record, runs)),
    };
  }

  /** Plans all runs, takes over those that are there already with the same manifest, and queues the others. */
  async run({ kind, preset, where }: Parsed<'study.run'>): Promise<StudySummary> {
    const definition = requireDefinition(kind);
    const planned = await definition.plan(preset, this.options.world);
    const cells: StudyRecord['cells'] = [];
    const idOf = (labels: Labels): string => {
      const cell = cells.find((other) => labelKey(other.labels) === labelKey(labels));
      if (!cell) throw new Error(`study ${kind}: no run planned before as ${labelKey(labels)}`);
      return cell.run;
    };
    for (const { labels, request } of planned) cells.push(await this.cell(labels, { ...request(idOf), where }));
    return await this.keep(kind, definition.title, preset, cells);
  }

  /** One search by several methods and seeds. Throws LatheError bad-input for a method that this search does not have. */
  async compare({ request, methods, seeds }: Parsed<'study.compare'>): Promise<StudySummary> {
    const cells: StudyRecord['cells'] = [];
    for (const method of methods) requestBy(request, method); // all are refused or none is kept
    for (const seed of seeds) {
      for (const method of methods) cells.push(await this.cell({ method, seed: String(seed) }, { ...requestBy(request, method), seed }));
    }
    const where = request.target === undefined ? '' : ` on ${request.target}`;
    const title = `${methods.join(', ')}: ${request.method} ${request.network.id}${where}, ${seeds.length === 1 ? 'one seed' : `${String(seeds.length)} seeds`}`;
    return await this.keep(comparisonKind, title, null, cells);
  }

  async show(id: string): Promise<StudyReport> {
    const record = await this.require(id);
    const runs = await Promise.all(record.cells.map(async ({ labels, run }) => ({ labels, detail: await this.options.record.show(run) })));
    const tables =
      record.kind === comparisonKind ? comparisonTables(runs) : await requireDefinition(record.kind).report(runs, this.options.world);
    return contract['study.show'].output.parse({ study: summaryOf(record, await this.runsById()), tables });
  }

  /** Puts all that are not completed back in line. */
  async resume(id: string, where?: Where): Promise<StudySummary> {
    const record = await this.require(id);
    for (const run of new Set(record.cells.map((cell) => cell.run))) await this.options.runs.adopt(run, where);
    return summaryOf(record, await this.runsById());
  }

  /** Stops all that wait or run; `resume` goes on. */
  async cancel(id: string): Promise<StudySummary> {
    const record = await this.require(id);
    const runs = await this.runsById();
    // From the last to the first, so that none starts because the one before it has ended.
    for (const run of [...new Set(record.cells.map((cell) => cell.run))].reverse()) {
      const status = runs.get(run)?.status;
      if (status !== 'queued' && status !== 'running') continue;
      try {
        await this.options.runs.stop(run, 'cancel');
      } catch (error) {
        if (!(error instanceof LatheError && error.code === 'conflict')) throw error; // it has ended meanwhile
      }
    }
    return summaryOf(record, await this.runsById());
  }

  private async cell(labels: Labels, request: RunRequest): Promise<StudyRecord['cells'][number]> {
    const { id } = await this.options.runs.createOrReuse(runRequestSchema.parse(request));
    return { labels: { ...labels }, run: id };
  }

  private async keep(kind: string, title: string, preset: StudyPreset | null, cells: StudyRecord['cells']): Promise<StudySummary> {
    const record: StudyRecord = { id: `st-${randomName()}`, kind, title, preset, createdAtMs: Date.now(), cells };
    await this.options.store.addStudy(record);
    return summaryOf(record, await this.runsById());
  }

  private async require(id: string): Promise<StudyRecord> {
    const record = await this.options.store.getStudy(id);
    if (!record) throw new LatheError('not-found', `study ${id}: there is no such study; study list shows those there are`);
    return record;
  }

  private async runsById(): Promise<Map<string, RunSummary>> {
    return new Map((await this.options.store.listRuns()).map((run) => [run.id, run]));
  }
}

/** The search by one of its methods. */
function requestBy(request: Parsed<'study.compare'>['request'], method: string): RunRequest {
  const known = comparedMethods[request.method];
  const sentence = (): string => `method ${method}: ${request.method} has no such method; expected one of ${known.options.join(', ')}`;
  if (request.method === 'prune') {
    const parsed = comparedMethods.prune.safeParse(method);
    if (!parsed.success) throw new LatheError('bad-input', sentence());
    return { ...request, search: { ...request.search, method: parsed.data } };
  }
  const parsed = comparedMethods.quantize.safeParse(method);
  if (!parsed.success) throw new LatheError('bad-input', sentence());
  return { ...request, search: { ...request.search, method: parsed.data } };
}

function requireDefinition(kind: string): StudyDefinition {
  const definition = definitions.find(({ id }) => id === kind);
  if (!definition) {
    throw new LatheError(
      'not-found',
      `study ${kind}: there is no such study; expected one of ${definitions.map(({ id }) => id).join(', ')}`,
    );
  }
  return definition;
}

function summaryOf(record: StudyRecord, runs: ReadonlyMap<string, RunSummary>): StudySummary {
  const cells = record.cells.map((cell) => {
    const run = runs.get(cell.run);
    if (!run) throw new LatheError('not-found', `study ${record.id}: its run ${cell.run} is gone`);
    return { ...cell, status: run.status, name: run.name, error: run.error };
  });
  return { ...record, cells, done: cells.filter(({ status }) => status === 'completed').length };
}

function labelKey(labels: Labels): string {
  return JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function randomName(): string {
  const alphabet = '23456789abcdefghjkmnpqrstuvwxyz';
  return Array.from({ length: 6 }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}
