/** Studies: grids of runs that make one table. Also what `quantize --rivals` starts. */
import type { Command } from 'commander';
import type { LatheEvent } from '../../../shared/contract.ts';
import { count, dateTime } from '../../../shared/format.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { StudyReport, StudySummary, StudyTable } from '../../../shared/study.ts';
import { studyCell } from '../../../shared/study-format.ts';
import type { Service } from '../../service/index.ts';
import { oneOf } from '../arguments.ts';
import { globalOptions, withService, type GlobalOptions } from '../context.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { writeReport } from '../report.ts';

const over = new Set(['completed', 'failed', 'cancelled', 'interrupted', 'paused']);

export function addStudyCommands(program: Command): void {
  const study = program.command('study').description('studies: grids of runs that make one table, beside the published figures');
  study
    .command('list')
    .description('what can be started, and what was')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const { definitions, studies } = await withService(options, (service) => service.call('study.list', {}));
      if (options.json) {
        printJson({ definitions, studies });
        return;
      }
      printTable(
        ['study', 'what it is'],
        definitions.map(({ id, description }) => [id, description]),
      );
      if (studies.length === 0) return;
      printLine('');
      printTable(
        ['id', 'study', 'preset', 'runs done', 'started', 'title'],
        studies.map((one) => [
          one.id,
          one.kind,
          one.preset ?? '',
          `${String(one.done)} of ${String(one.cells.length)}`,
          dateTime(one.createdAtMs),
          one.title,
        ]),
        [3],
      );
    });
  study
    .command('run <name>')
    .description('start a study and follow it to its table')
    .option('--preset <name>', 'quick or full', oneOf(['quick', 'full']), 'quick')
    .action(async (name: string, own: { readonly preset: 'quick' | 'full' }, command: Command) => {
      const options = globalOptions(command);
      await runStudy(options, (service) => service.call('study.run', { kind: name, preset: own.preset }));
    });
  study
    .command('show <id>')
    .description('the tables of a study as far as its runs are done; of a name, its newest study')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const report = await withService(options, async (service) => service.call('study.show', { id: await findStudy(service, id) }));
      printReport(options, report);
    });
  study
    .command('report <id>')
    .description('the study as one HTML file that needs nothing else; of a name, its newest study')
    .requiredOption('--out <file>', 'the file to write: report.html')
    .action(async (id: string, own: { readonly out: string }, command: Command) => {
      const options = globalOptions(command);
      const found = await withService(options, (service) => findStudy(service, id));
      await writeReport(options, { kind: 'study', id: found }, own.out);
    });
  study
    .command('resume <id>')
    .description('go on with the runs that are not completed')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      await runStudy(options, async (service) => service.call('study.resume', { id: await findStudy(service, id) }));
    });
}

/** Starts a study, waits until none of its runs works or waits any more, and prints its tables. */
export async function runStudy(options: GlobalOptions, begin: (service: Service) => Promise<StudySummary>): Promise<void> {
  const report = await withService(options, async (service) => {
    const study = await begin(service);
    note(`study ${study.id}: ${String(study.cells.length)} runs, ${String(study.done)} of them done before`);
    await untilOver(service, runsOfStudy(service, study.id));
    return await service.call('study.show', { id: study.id });
  });
  printReport(options, report);
  const failed = report.study.cells.filter(({ status }) => status !== 'completed');
  if (failed.length > 0) {
    const first = failed[0];
    throw new LatheError(
      'cancelled',
      `study ${report.study.id}: ${String(failed.length)} runs are not completed, the first ${first?.run ?? ''} is ${first?.status ?? ''}${first?.error === null || first === undefined ? '' : ` (${first.error})`}; "lathe study resume ${report.study.id}" goes on`,
    );
  }
}

/** Tells what becomes of these runs until none of them works or waits any more; Ctrl-C cancels them. */
export async function followRuns(service: Service, ids: readonly string[]): Promise<void> {
  await untilOver(service, {
    runs: async () => await Promise.all(ids.map(async (id) => (await service.call('run.show', { id })).summary)),
    cancel: async () => {
      for (const id of ids) await service.call('run.cancel', { id }).catch(() => undefined); // already over
    },
  });
}

function runsOfStudy(service: Service, id: string): FollowedRuns {
  return {
    runs: async () => (await service.call('study.show', { id })).study.cells.map(({ run, status }) => ({ id: run, status })),
    cancel: async () => {
      await service.call('study.cancel', { id }).catch(() => undefined); // already over: the report says so
    },
  };
}

interface FollowedRuns {
  readonly runs: () => Promise<readonly { readonly id: string; readonly status: string }[]>;
  readonly cancel: () => Promise<void>;
}

async function untilOver(service: Service, { runs, cancel }: FollowedRuns): Promise<void> {
  let settle: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const own = new Map<string, string>();
  const told = new Map<string, number>();
  const onEvent = (event: LatheEvent): void => {
    if (event.name !== 'run.changed' || !own.has(event.payload.id)) return;
    const { id: run, status, name, progress } = event.payload;
    const changed = own.get(run) !== status;
    own.set(run, status);
    const now = Date.now();
    if (changed || now - (told.get(run) ?? 0) > 15_000) {
      told.set(run, now);
      const place = [...own.values()].filter((other) => other === 'completed').length;
      note(
        `${String(place)}/${String(own.size)}  ${run}  ${name}  ${status}, ${progress.phase} ${String(progress.done)}/${String(progress.total)}`,
      );
    }
    if ([...own.values()].every((other) => over.has(other))) settle();
  };
  const unsubscribe = service.subscribe(onEvent);
  const stop = (): void => {
    note('\ncancelling at the next safe point …');
    void cancel();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    for (const { id, status } of await runs()) if (!own.has(id)) own.set(id, status);
    if (![...own.values()].every((status) => over.has(status))) await end;
  } finally {
    unsubscribe();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

async function findStudy(service: Service, id: string): Promise<string> {
  const { studies } = await service.call('study.list', {});
  return studies.find((study) => study.id === id)?.id ?? studies.find((study) => study.kind === id)?.id ?? id;
}

function printReport(options: GlobalOptions, report: StudyReport): void {
  if (options.json) {
    printJson(report);
    return;
  }
  const { study } = report;
  printLine(
    `${study.title}  (${study.id}${study.preset === null ? '' : `, ${study.preset}`}): ${count(study.done)} of ${count(study.cells.length)} runs done`,
  );
  for (const table of report.tables) printStudyTable(table);
}

function printStudyTable(table: StudyTable): void {
  printLine(`\n${table.title}`);
  printTable(
    table.columns.map(({ label }) => label),
    table.rows.map((row) => row.map((cell, index) => studyCell(cell, table.columns[index]?.kind ?? 'text'))),
    table.columns.flatMap(({ kind }, index) => (kind === 'text' ? [] : [index])),
  );
  for (const line of table.notes) printLine(line);
}
