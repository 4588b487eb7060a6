/** Commands about several runs at once: what differs, and which of their trials nothing beats. */
import { InvalidArgumentError, type Command } from 'commander';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bestPlaces, bitsOfTrial, comparisonTable, configRows, figureText, policySections, resultRows } from '../../../shared/compare.ts';
import { matrixTable, targetOf, targetsOf } from '../../../shared/across.ts';
import { LatheError } from '../../../shared/errors.ts';
import { bytes, ms } from '../../../shared/format.ts';
import {
  objectiveIds,
  objectives,
  objectiveText,
  trialCandidates,
  weigh,
  type Candidate,
  type Limits,
  type ObjectiveId,
} from '../../../shared/objectives.ts';
import type { RunCost, RunDetail, Trial } from '../../../shared/run.ts';
import { openedText } from '../../../shared/opened.ts';
import { fileStem, toCsv, type Tabular } from '../../../shared/tabular.ts';
import { parseBudget } from '../budget.ts';
import { globalOptions, withService } from '../context.ts';
import { writeText } from '../files.ts';
import { writeReport } from '../report.ts';
import { printJson, printLine, printTable } from '../output.ts';

/** Fewest and most runs that are put side by side. */
const fewest = 2;
const most = 50;

export function addCompareCommands(run: Command): void {
  run
    .command('compare <ids...>')
    .description('runs side by side: settings and decisions that differ, results')
    .option('--all', 'also what is the same')
    .option('--csv', 'as CSV on stdout, a column a run')
    .option('--report <file>', 'as one HTML file that needs nothing else')
    .action(async (ids: string[], own: { readonly all?: true; readonly csv?: true; readonly report?: string }, command: Command) => {
      const options = globalOptions(command);
      if (own.report !== undefined) {
        await writeReport(options, { kind: 'comparison', ids }, own.report);
        return;
      }
      const details = await readRuns(options, ids);
      const all = own.all === true;
      if (options.json) printJson(comparisonJson(details, all));
      else if (own.csv) process.stdout.write(toCsv(comparisonTable(details, !all)));
      else printComparison(details, all);
    });
  run
    .command('report <id>')
    .description('the run as one HTML file that needs nothing else: results, curves, policy, settings')
    .requiredOption('--out <file>', 'the file to write: report.html')
    .action(async (id: string, own: { readonly out: string }, command: Command) => {
      await writeReport(globalOptions(command), { kind: 'run', id }, own.out);
    });
  run
    .command('bundle <id>')
    .description('the run with policy, weights, target and networks in one file that opens on another machine')
    .requiredOption('--out <file>', 'the file to write: run.lathe')
    .action(async (id: string, own: { readonly out: string }, command: Command) => {
      const options = globalOptions(command);
      const { sizeBytes } = await withService(options, (service) => service.call('run.bundle', { id, path: own.out }));
      if (options.json) printJson({ run: id, file: own.out, sizeBytes });
      else printLine(`${own.out}: ${bytes(sizeBytes)}, run ${id} with all that it needs`);
    });
  run
    .command('open <file>')
    .description('take the run of a bundle; the same one again changes nothing')
    .action(async (file: string, _own, command: Command) => {
      const options = globalOptions(command);
      const opened = await withService(options, (service) => service.call('bundle.open', { path: file }));
      if (options.json) {
        printJson(opened);
        return;
      }
      printLine(openedText(opened));
    });
  run
    .command('matrix <ids...>')
    .description('what each run has found, priced on the target of every other and on more')
    .option('--target <id...>', 'further targets')
    .option('--csv', 'as CSV on stdout')
    .action(async (ids: string[], own: { readonly target?: string[]; readonly csv?: true }, command: Command) => {
      const options = globalOptions(command);
      const { details, targets, costs } = await withService(options, async (service) => {
        const read = await Promise.all([...new Set(ids)].map(async (id) => await service.call('run.show', { id })));
        const columns = [...new Set([...targetsOf(read), ...(own.target ?? [])])];
        const cells = await Promise.all(
          read.flatMap(({ summary }) => columns.map(async (target) => await service.call('run.cost', { id: summary.id, target }))),
        );
        return { details: read, targets: columns, costs: cells };
      });
      const cellOf = (run: string, target: string): RunCost | undefined => costs.find((cost) => cost.run === run && cost.target === target);
      const table = matrixTable(details, targets, cellOf, 'latencyMs');
      if (options.json) printJson({ targets, costs });
      else if (own.csv) process.stdout.write(toCsv(table));
      else printMatrix(details, targets, cellOf);
    });
  run
    .command('pareto <ids...>')
    .description('the trials of runs that no other trial beats, and the knee among them')
    .option('--objectives <list>', `what counts: of ${objectiveIds.join(', ')}`, objectiveList, ['latencyMs', 'accuracy'] as ObjectiveId[])
    .option(
      '--limit <limit...>',
      'keep only trials within: latency=12ms, energy=3mJ, size=1.2MB, macs=150M, params=2M, accuracy=88%',
      limits,
    )
    .option('--policies <dir>', 'also write the bits of each trial on the front as a policy file')
    .option('--csv', 'as CSV on stdout')
    .action(
      async (
        ids: string[],
        own: { readonly objectives: ObjectiveId[]; readonly limit?: Limits; readonly policies?: string; readonly csv?: true },
        command: Command,
      ) => {
        const options = globalOptions(command);
        const runs = await withService(options, (service) =>
          Promise.all([...new Set(ids)].map(async (id) => await service.call('run.export', { id }))),
        );
        const candidates = runs.flatMap(({ run: detail, trials }) => trialCandidates(detail.summary.id, trials));
        if (candidates.length === 0)
          throw new LatheError('conflict', `${ids.join(', ')}: no trial yet, so there is no front; wait for the first`);
        const { feasible, front, knee } = weigh(candidates, own.objectives, own.limit ?? {});
        const points = front.flatMap((place) => candidates[place] ?? []);
        const kneeOf = knee === null ? null : (candidates[knee] ?? null);
        const files = own.policies === undefined ? [] : await writePolicies(own.policies, runs, points);
        if (options.json)
          printJson({
            objectives: own.objectives,
            limits: own.limit ?? {},
            trials: candidates.length,
            feasible: feasible.length,
            front: points,
            knee: kneeOf,
            files,
          });
        else if (own.csv) process.stdout.write(toCsv(frontTable(points, kneeOf)));
        else printFront(points, kneeOf, { trials: candidates.length, feasible: feasible.length, files });
      },
    );
}

function printMatrix(
  details: readonly RunDetail[],
  targets: readonly string[],
  cellOf: (run: string, target: string) => RunCost | undefined,
): void {
  printTable(
    ['run', 'searched for', ...targets.map((target) => `on ${target} (ms)`)],
    details.map((detail) => [
      detail.summary.id,
      targetOf(detail) ?? '',
      ...targets.map((target) => `${ms(cellOf(detail.summary.id, target)?.latencyMs)}${targetOf(detail) === target ? ' *' : ''}`),
    ]),
    targets.map((_, place) => place + 2),
  );
  printLine('* the target that the run was searched for. Each on its own batch.');
}

async function readRuns(options: ReturnType<typeof globalOptions>, ids: readonly string[]): Promise<RunDetail[]> {
  const unique = [...new Set(ids)];
  if (unique.length < fewest || unique.length > most)
    throw new LatheError(
      'bad-input',
      `runs to compare: expected ${String(fewest)} to ${String(most)} different ones, found ${String(unique.length)}`,
    );
  return await withService(options, (service) => Promise.all(unique.map(async (id) => await service.call('run.show', { id }))));
}

function comparisonJson(details: readonly RunDetail[], all: boolean): unknown {
  const shown = <T extends { readonly differs: boolean }>(rows: readonly T[]): T[] => rows.filter(({ differs }) => differs || all);
  // JSON has no undefined: null stands for a setting that a run does not have.
  const listed = (values: readonly unknown[]): unknown[] => values.map((value) => value ?? null);
  return {
    runs: details.map(({ summary: { id, name, status, method } }) => ({ id, name, status, method })),
    config: shown(configRows(details.map(({ manifest }) => manifest))).map((row) => ({ ...row, values: listed(row.values) })),
    results: resultRows(details).map((row) => ({ ...row, best: bestPlaces(row) })),
    policies: policySections(details.map((detail) => ({ detail, trial: null }))).map((section) => ({
      ...section,
      rows: shown(section.rows).map((row) => ({ ...row, values: listed(row.values) })),
    })),
  };
}

function printComparison(details: readonly RunDetail[], all: boolean): void {
  const ids = details.map(({ summary }) => summary.id);
  const numbers = ids.map((_, place) => place + 1);
  printTable(
    ['', ...ids],
    [
      ['name', ...details.map(({ summary }) => summary.name)],
      ['status', ...details.map(({ summary }) => summary.status)],
    ],
  );
  printLine('\nResults (* the best)');
  printTable(
    ['', ...ids],
    resultRows(details).map((row) => {
      const best = bestPlaces(row);
      const label = row.unit === '' ? row.label : `${row.label} (${row.unit})`;
      return [label, ...row.values.map((value, place) => `${figureText(value, row.kind)}${best.includes(place) ? ' *' : ''}`)];
    }),
    numbers,
  );
  const settings = configRows(details.map(({ manifest }) => manifest)).filter(({ differs }) => differs || all);
  printLine(settings.length === 0 ? '\nAll settings are the same.' : `\nSettings${all ? '' : ' that differ'}`);
  if (settings.length > 0)
    printTable(
      ['setting', ...ids],
      settings.map(({ key, values }) => [key, ...values.map(settingText)]),
    );
  for (const { title, rows } of policySections(details.map((detail) => ({ detail, trial: null })))) {
    const shown = rows.filter(({ differs }) => differs || all);
    const differing = rows.filter(({ differs }) => differs).length;
    printLine(`\n${title}: ${String(differing)} of ${String(rows.length)} layers differ`);
    if (shown.length > 0)
      printTable(
        ['layer', ...ids],
        shown.map(({ layer, values }) => [layer, ...values.map(settingText)]),
        numbers,
      );
  }
}

function settingText(value: string | number | boolean | null | undefined): string {
  return value === undefined || value === null ? '' : String(value);
}

function objectiveList(text: string): ObjectiveId[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  return names.map((name) => {
    const short: Readonly<Record<string, ObjectiveId>> = { latency: 'latencyMs', energy: 'energyMj', size: 'sizeBytes' };
    const id = objectiveIds.find((one) => one === (short[name] ?? name));
    if (id === undefined) throw new InvalidArgumentError(`found ${name}; expected a list of ${objectiveIds.join(', ')}.`);
    return id;
  });
}

const limitedBy = { latency: 'latencyMs', energy: 'energyMj', size: 'sizeBytes', macs: 'macs', params: 'params' } as const;

/** Collects limits: budgets with their unit, and `accuracy=88%`. */
function limits(text: string, previous: Limits | undefined): Limits {
  const accuracy = /^accuracy=([0-9.]+)%?$/.exec(text.trim());
  if (accuracy) {
    const value = Number(accuracy[1]) / 100;
    if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('accuracy: expected 0 to 100 per cent.');
    return { ...previous, accuracy: value };
  }
  try {
    const { resource: name, kind, value } = parseBudget(text);
    if (kind === 'fraction') throw new InvalidArgumentError(`${text}: expected a value with its unit, such as latency=12ms.`);
    return { ...previous, [limitedBy[name]]: value };
  } catch (error) {
    if (error instanceof InvalidArgumentError) throw error;
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function frontTable(points: readonly Candidate[], knee: Candidate | null): Tabular {
  const known = objectiveIds.filter((id) => points.some(({ values }) => values[id] !== null));
  return {
    columns: [
      { id: 'run', label: 'run', unit: '' },
      { id: 'trial', label: 'trial', unit: '' },
      ...known.map((id) => ({ id, label: id, unit: '' })),
      { id: 'knee', label: 'knee', unit: '' },
    ],
    rows: points.map((point) => [point.run, point.step, ...known.map((id) => point.values[id]), point === knee ? 'yes' : '']),
  };
}

function printFront(
  points: readonly Candidate[],
  knee: Candidate | null,
  { trials, feasible, files }: { readonly trials: number; readonly feasible: number; readonly files: readonly string[] },
): void {
  printLine(
    `${String(points.length)} of ${String(trials)} trials are on the front; ${String(feasible)} know every objective and keep every limit.`,
  );
  const known = objectiveIds.filter((id) => points.some(({ values }) => values[id] !== null));
  printTable(
    ['run', 'trial', ...known.map((id) => objectives[id].label), ''],
    points.map((point) => [
      point.run,
      String(point.step ?? ''),
      ...known.map((id) => objectiveText(id, point.values[id])),
      point === knee ? 'knee' : '',
    ]),
    [1, ...known.map((_, place) => place + 2)],
  );
  for (const file of files) printLine(file);
}

/** A policy file for each trial that decides bits; of a pruning none. */
async function writePolicies(
  folder: string,
  runs: readonly { readonly run: RunDetail; readonly trials: readonly Trial[] }[],
  points: readonly Candidate[],
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const files: string[] = [];
  for (const { run, step } of points) {
    const source = runs.find(({ run: detail }) => detail.summary.id === run);
    const trial = source?.trials.find((one) => one.step === step);
    const layers = source && trial ? bitsOfTrial(source.run, trial) : [];
    if (layers.length === 0) continue;
    const file = join(folder, `${fileStem(run, 'trial', String(step))}.policy.json`);
    await writeText(file, `${JSON.stringify({ kind: 'quantize', layers }, null, 2)}\n`);
    files.push(file);
  }
  return files;
}
