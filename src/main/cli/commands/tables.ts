/** Commands about latency tables: what operators take on a device, and what networks take by that. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Input, LatheEvent, Output } from '../../../shared/contract.ts';
import type { Service } from '../../service/index.ts';
import { LatheError } from '../../../shared/errors.ts';
import { fixed, ms, percent, significant } from '../../../shared/format.ts';
import type { LatencyTableInfo, LatencyUnit, Prediction, TableFormat } from '../../../shared/latency-table.ts';
import { latencyOf } from '../../../shared/latency-table.ts';
import { integer, networkRef, oneOf, spaceRefs, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { writeText } from '../files.ts';
import { note, printJson, printLine, printTable, progressView } from '../output.ts';

export function addTableCommands(program: Command): void {
  const table = program.command('table').description('latency tables: what operators or blocks take on a device');
  addReading(table);
  addKeeping(table);
  addBuild(table);
  addAsking(table);
}

function addReading(table: Command): void {
  table
    .command('list')
    .description('all tables')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const tables = await withService(options, (service) => service.call('table.list', {}));
      if (options.json) {
        printJson(tables);
        return;
      }
      printTable(
        ['id', 'entries', 'keys', 'origin', 'batch', 'threads', 'title'],
        tables.map((t) => [
          t.id,
          String(t.entries),
          t.scheme,
          t.origin,
          String(t.batch),
          t.threads === null ? '' : String(t.threads),
          t.title,
        ]),
        [1, 4, 5],
      );
    });
  table
    .command('show <table>')
    .description('a table: its facts and entries')
    .option('--filter <text>', 'only entries whose key contains it', '')
    .option('--limit <n>', 'at most this many entries', integer(1, 100_000), 100_000)
    .action(async (id: string, own: { filter: string; limit: number }, command: Command) => {
      const options = globalOptions(command);
      const { shown, found } = await withService(options, async (service) => ({
        shown: await service.call('table.show', { id }),
        found: await service.call('table.entries', { id, ...own }),
      }));
      if (options.json) {
        printJson({ ...shown.table, rows: found.entries, measured: shown.measured });
        return;
      }
      printFacts(shown.table);
      printTable(
        ['key', 'latency (ms)', 'mean', 'std', 'min', 'count', ''],
        found.entries.map((entry) => [
          entry.key,
          significant(latencyOf(entry), 5),
          significant(entry.meanMs, 5),
          entry.stdMs === null ? (entry.variance === null ? '' : `var ${significant(entry.variance, 3)}`) : significant(entry.stdMs, 3),
          entry.minMs === null ? '' : significant(entry.minMs, 5),
          entry.count === null ? '' : String(entry.count),
          entry.noisy ? 'noisy' : '',
        ]),
        [1, 2, 3, 4, 5],
      );
      if (found.total > found.entries.length) printLine(`... and ${String(found.total - found.entries.length)} more`);
      for (const network of shown.measured)
        printLine(
          `measured: ${network.label}: median ${ms(network.medianMs)} ms, least ${ms(network.minMs)} ms${network.noisy ? ', noisy' : ''}`,
        );
    });
  table
    .command('export <table> <file>')
    .description('write a table to a .csv, .json or .yaml file')
    .action(async (id: string, file: string, _own, command: Command) => {
      const options = globalOptions(command);
      const format = formatOf(file);
      const { text } = await withService(options, (service) => service.call('table.export', { id, format }));
      await writeText(file, text);
      if (options.json) printJson({ id, file, format });
      else printLine(`${id} written to ${file}`);
    });
}

function formatOf(file: string): TableFormat {
  const ending = file.slice(file.lastIndexOf('.') + 1).toLowerCase();
  if (ending === 'csv' || ending === 'json') return ending;
  if (ending === 'yaml' || ending === 'yml') return 'yaml';
  throw new LatheError('bad-input', `${file}: expected a name that ends in .csv, .json, .yaml or .yml`);
}

function printFacts(table: LatencyTableInfo): void {
  const device = Object.entries(table.device).map(([name, value]) => `${name} ${value}`);
  printLine(`${table.id}: ${table.title}`);
  printLine(
    [
      `${String(table.entries)} entries, keys of the scheme ${table.scheme}`,
      table.origin === 'imported' ? `imported from ${table.source}` : table.source, // which says how it was made
      `batch ${String(table.batch)}`,
      table.threads === null ? 'threads not told' : `${String(table.threads)} threads`,
      ...(table.noisy > 0 ? [`${String(table.noisy)} noisy entries`] : []),
      ...device,
    ].join('; '),
  );
  printLine(`sha256 ${table.sha256}\n`);
}

interface ImportOptions {
  readonly id?: string;
  readonly title?: string;
  readonly unit: LatencyUnit;
  readonly batch: number;
  readonly threads?: number;
  readonly device?: Record<string, string>;
  readonly target?: string;
  readonly replace?: boolean;
}

function addKeeping(table: Command): void {
  table
    .command('import <file>')
    .description('keep a table from a .csv, .json or .yaml file; with --target also make it a target')
    .option('--id <id>', "its id (default: the file's name)")
    .option('--title <text>', 'its title')
    .option('--unit <unit>', 'of its latencies', oneOf(['ms', 'us', 's']), 'ms')
    .option('--batch <n>', 'images at once that its latencies are of', integer(1, 4096), 1)
    .option('--threads <n>', 'threads that it was measured with', integer(1, 1024))
    .option('--device <name=value>', 'a fact about the device; may be given several times', fact)
    .option('--target <id>', 'make a target of this id that carries the latencies')
    .option('--replace', 'in place of the table and the target of the same ids')
    .action(async (path: string, own: ImportOptions, command: Command) => {
      const options = globalOptions(command);
      const { target, replace = false, ...rest } = own;
      const { info, made } = await withService(options, async (service) => {
        const info = await service.call('table.import', { ...rest, path, replace });
        const made = target === undefined ? null : await makeTarget(service, info.id, target, replace);
        return { info, made };
      });
      if (options.json) printJson({ ...info, ...(made === null ? {} : { target: made }) });
      else {
        printFacts(info);
        if (made !== null) printLine(`target ${made}: simulate NETWORK --target ${made} sums its latencies`);
      }
    });
  table
    .command('target <table> <id>')
    .description('make a target that carries the latencies of a table as they are now')
    .option('--title <text>', "its title (default: the table's)")
    .option('--replace', 'in place of the target of the same id')
    .action(async (id: string, target: string, own: { title?: string; replace?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) => service.call('table.target', { id, target, ...own }));
      if (options.json) printJson({ id: info.target.id, sha256: info.sha256 });
      else printLine(`${info.target.id}: ${info.target.title}\nsha256 ${info.sha256}`);
    });
  table
    .command('remove <table>')
    .description('forget a table; a target that was made of it stays')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('table.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`${removed.id} removed`);
    });
}

/** The target is refused before anything but the table is changed; the table stays then. */
async function makeTarget(service: Service, id: string, target: string, replace: boolean): Promise<string> {
  const made = await service.call('table.target', { id, target, replace });
  return made.target.id;
}

function fact(text: string, previous: Record<string, string> | undefined): Record<string, string> {
  const [name = '', ...value] = text.split('=');
  if (name === '' || value.length === 0) throw new InvalidArgumentError('expected name=value.');
  return { ...previous, [name]: value.join('=') };
}

/** Of the commands that take networks and search spaces. */
interface SubjectOptions extends VariantOptions {
  readonly dataset?: string;
  readonly space?: readonly string[];
}

function withSubjectOptions(command: Command): Command {
  return withVariantOptions(command)
    .option('--dataset <id>', 'the variants that fit this data set')
    .option(
      '--space <id|file.json>',
      'every candidate of every block of a search space; several may be given (see "space list")',
      (text: string, previous: readonly string[] | undefined) => [...(previous ?? []), text],
    );
}

/** Throws LatheError bad-input where there is nothing to ask about, or an option that chooses nothing. */
function subjects(networks: readonly string[], own: SubjectOptions): Pick<Input<'table.build'>, 'networks' | 'spaces' | 'dataset'> {
  if (networks.length === 0 && own.space === undefined)
    throw new LatheError('bad-input', 'name a network, or a search space with --space; network list and space list show them');
  if (networks.length === 0 && (own.width !== undefined || own.stem !== undefined))
    throw new LatheError('bad-input', "--width and --stem choose a network's variant; a search space has one: leave them out");
  return {
    networks: networks.map((network) => networkRef(network, own)),
    spaces: spaceRefs(own.space, own),
    ...(own.dataset === undefined ? {} : { dataset: own.dataset }),
  };
}

interface BuildOptions extends SubjectOptions {
  readonly target: string;
  readonly threads: number;
  readonly batch?: number;
  readonly repeats: number;
  readonly weightBits: number[];
  readonly activationBits: number[];
  readonly again?: boolean;
}

function addBuild(table: Command): void {
  withSubjectOptions(
    table
      .command('build [networks...]')
      .description('measure on this machine, or simulate on a target, what networks and search spaces need of a table'),
  )
    .requiredOption('--target <id>', 'host-cpu: this machine; or a simulated target')
    .option('--threads <n>', 'measured: threads of the runtime', integer(1, 256), 1)
    .option('--batch <n>', "images at once (default: 1 measured, the target's simulated)", integer(1, 4096))
    .option('--repeats <n>', 'measured: runs that count, of each operator', integer(5, 1000), 20)
    .option('--weight-bits <list>', 'simulated: as 8 or 2,4,8 or 1-8', bitList, [8])
    .option('--activation-bits <list>', 'simulated: as 8 or 2,4,8 or 1-8; every pair of the two', bitList, [8])
    .option('--again', 'forget what is there and begin anew')
    .action(async (networks: string[], own: BuildOptions, command: Command) => {
      const options = globalOptions(command);
      const { target, threads, repeats, weightBits, activationBits, again = false } = own;
      const built = await withService(options, (service) =>
        followBuild(service, {
          ...{ target, threads, repeats, weightBits, activationBits, again },
          ...subjects(networks, own),
          ...(own.batch === undefined ? {} : { batch: own.batch }),
        }),
      );
      if (options.json) {
        printJson({ ...built.table, added: built.added, reused: built.reused, target: built.target });
        return;
      }
      printFacts(built.table);
      printLine(
        `${String(built.added)} keys are new, ${String(built.reused)} were there${built.table.noisy > 0 ? `; ${String(built.table.noisy)} did not settle: build again when the machine is idle, with --again` : ''}`,
      );
    });
}

function bitList(text: string): number[] {
  const [, low, high] = /^([1-8])-([1-8])$/.exec(text) ?? [];
  if (low !== undefined && Number(low) <= Number(high))
    return Array.from({ length: Number(high) - Number(low) + 1 }, (_, at) => Number(low) + at);
  const bits = text.split(',').map(Number);
  if (!/^[1-8](,[1-8])*$/.test(text) || new Set(bits).size < bits.length)
    throw new InvalidArgumentError('expected bits from 1 to 8, as 8 or 2,4,8 or 1-8.');
  return bits;
}

/** Builds with progress on stderr; Ctrl-C stops it, and what is there by then stays. */
async function followBuild(service: Service, input: Input<'table.build'>): Promise<Output<'table.build'>> {
  const view = progressView();
  let id: string | null = null;
  const unsubscribe = service.subscribe((event: LatheEvent) => {
    if (event.name !== 'table.progress') return;
    id = event.payload.id;
    view.show(event.payload, '');
  });
  const stop = (): void => {
    if (id === null) return;
    note('\nstopping; what is measured stays …');
    service.call('table.cancel', { id }).catch(() => undefined); // already ended: the call says so itself
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await service.call('table.build', input);
  } finally {
    view.stop();
    unsubscribe();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

interface PredictOptions extends VariantOptions {
  readonly dataset?: string;
  readonly interpolate?: boolean;
  readonly fit?: boolean;
}

export function fillingOf(own: { readonly interpolate?: boolean; readonly fit?: boolean }): 'none' | 'interpolate' | 'fit' {
  if (own.interpolate === true && own.fit === true)
    throw new LatheError('bad-input', '--interpolate and --fit: choose one way to fill in what the table lacks');
  return own.interpolate === true ? 'interpolate' : own.fit === true ? 'fit' : 'none';
}

function addAsking(table: Command): void {
  withSubjectOptions(
    table.command('coverage <table> [networks...]').description('which keys networks and search spaces need, and which a table lacks'),
  ).action(async (id: string, networks: string[], own: SubjectOptions, command: Command) => {
    const options = globalOptions(command);
    const found = await withService(options, (service) => service.call('table.coverage', { id, ...subjects(networks, own) }));
    if (options.json) {
      printJson(found);
      return;
    }
    printLine(
      `${id} has ${String(found.covered)} of ${String(found.needed)} keys; ${String(found.unused.length)} of its own are not needed\n`,
    );
    printTable(
      ['network or space', 'keys', 'missing'],
      found.networks.map((row) => [row.network, String(row.keys), String(row.missing.length)]),
      [1, 2],
    );
    if (found.missing.length > 0) printLine('\nmissing:');
    for (const key of found.missing) printLine(key);
  });
  withVariantOptions(table.command('predict <table> <network>').description("a network's latency as the sum over a table"))
    .option('--dataset <id>', 'the variant that fits this data set')
    .option('--interpolate', 'fill in missing keys between their neighbours, marked')
    .option('--fit', 'fill in missing keys by the operator-class model, marked')
    .action(async (id: string, network: string, own: PredictOptions, command: Command) => {
      const options = globalOptions(command);
      const found = await withService(options, (service) =>
        service.call('table.predict', {
          table: id,
          network: networkRef(network, own),
          filling: fillingOf(own),
          ...(own.dataset === undefined ? {} : { dataset: own.dataset }),
        }),
      );
      if (options.json) printJson(found);
      else printPrediction(found);
      requireWhole(found, `--interpolate or --fit fill them in, and table coverage ${id} ${network} lists them`);
    });
  table
    .command('accuracy <table>')
    .description('the sums over a table beside the whole networks that were timed on its device')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const found = await withService(options, (service) => service.call('table.accuracy', { id }));
      if (options.json) {
        printJson(found);
        return;
      }
      printTable(
        ['network', 'measured (ms)', 'predicted (ms)', 'off by (%)', ''],
        found.points.map((point) => [
          point.network,
          ms(point.measuredMs),
          point.predictedMs === null ? 'unknown' : ms(point.predictedMs),
          point.predictedMs === null ? '' : fixed(100 * (point.predictedMs / point.measuredMs - 1), 1),
          point.noisy ? 'noisy' : '',
        ]),
        [1, 2, 3],
      );
      if (found.meanError !== null)
        printLine(
          `\nmean error ${percent(found.meanError, 1)} %, largest ${percent(found.largestError ?? 0, 1)} %` +
            (found.spearman === null ? '' : `, rank correlation (Spearman) ${fixed(found.spearman, 3)}`),
        );
    });
  table
    .command('fit <table>')
    .description('the operator-class model of a table: latency affine in work, class by class, with its error')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const model = await withService(options, (service) => service.call('table.fit', { id }));
      if (options.json) {
        printJson(model);
        return;
      }
      printTable(
        [
          'class',
          'rows',
          'constant (ms)',
          'ms/GMAC',
          'ms/depthwise GMAC',
          'ms/MB',
          'ms/MB weights',
          'MAPE (%)',
          'largest (%)',
          'leave one out (%)',
        ],
        model.classes.map(({ class: name, rows, coefficients: c, error }) => [
          name,
          String(rows),
          significant(c['constant'] ?? 0, 3),
          significant(1e9 * (c['macs'] ?? 0), 4),
          significant(1e9 * (c['depthwiseMacs'] ?? 0), 4),
          significant(1e6 * (c['bytes'] ?? 0), 3),
          significant(1e6 * (c['weightBytes'] ?? 0), 3),
          percent(error.mean, 1),
          percent(error.largest, 1),
          error.leaveOneOut === null ? '' : percent(error.leaveOneOut, 1),
        ]),
        [1, 2, 3, 4, 5, 6, 7, 8, 9],
      );
    });
}

/** Fails with the keys by name where some are missing. */
export function requireWhole({ missing, table, network }: Prediction, advice: string): void {
  if (missing.length === 0) return;
  const shown = missing.slice(0, 3).join(', ');
  const more = missing.length > 3 ? ` and ${String(missing.length - 3)} more` : '';
  throw new LatheError('not-found', `${table} lacks ${String(missing.length)} keys that ${network} needs: ${shown}${more}; ${advice}`);
}

export function printPrediction(found: Prediction): void {
  const filled = found.parts.filter(({ origin }) => origin === 'interpolated' || origin === 'fitted').length;
  const total = found.latencyMs === null ? `unknown, ${String(found.missing.length)} keys are missing` : `${ms(found.latencyMs)} ms`;
  const measured =
    found.measured === null
      ? ''
      : `; measured as a whole ${ms(found.measured.medianMs)} ms` +
        (found.latencyMs === null ? '' : ` (off by ${fixed(100 * (found.latencyMs / found.measured.medianMs - 1), 1)} %)`);
  const threads = found.threads === null ? '' : `, ${String(found.threads)} threads`;
  printLine(
    `${found.network} on ${found.table}, batch ${String(found.batch)}${threads} (summed over the table): ${total}` +
      `${found.overheadMs > 0 ? `, of it ${ms(found.overheadMs)} ms for the run itself` : ''}${filled > 0 ? `; ${String(filled)} of ${String(found.parts.length)} parts are not in the table` : ''}${measured}\n`,
  );
  printTable(
    ['layer', 'latency (ms)', 'share (%)', 'from', 'key'],
    found.parts.map((part) => [
      part.name,
      part.latencyMs === null ? '' : ms(part.latencyMs),
      part.latencyMs === null || found.latencyMs === null ? '' : percent(part.latencyMs / found.latencyMs, 1),
      part.origin,
      part.key,
    ]),
    [1, 2],
  );
}
