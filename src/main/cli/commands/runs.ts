/** Commands about runs: what there is, what came out, stop, go on, take away. */
import { Option, type Command } from 'commander';
import { writeFile } from 'node:fs/promises';
import { LatheError } from '../../../shared/errors.ts';
import { budget, bytes, dateTime, duration, ms, percent } from '../../../shared/format.ts';
import type { QuantizePolicy } from '../../../shared/policy.ts';
import { runPlaceSchema, type RunDetail, type RunPlace, type RunSummary } from '../../../shared/run.ts';
import type { Service } from '../../service/index.ts';
import { integer } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { printPipeline } from './pipeline.ts';
import { machineOf } from '../../../shared/machine.ts';
import { printPolicy, printSensitivity, printSolutions, searchResult } from '../results.ts';
import { addCompareCommands } from './compare.ts';
import { addKeepingCommands } from './keeping.ts';

const cancelPatienceMs = 20_000;

interface ListOptions {
  readonly filter: string;
  readonly place: RunPlace | 'all';
  readonly limit?: number;
}

export function addRunCommands(program: Command): void {
  const run = program.command('run').description('runs: list, show, compare, cancel, resume, reproduce, tag, archive, export, weights');
  run
    .command('list')
    .description('the runs, newest first')
    .option('--filter <text>', 'such as: method = quantize and (target = bismo-cloud or latencyMs < 78) and star', '')
    .addOption(new Option('--place <place>', 'where they are kept').choices([...runPlaceSchema.options, 'all']).default('list'))
    .option('--limit <n>', 'at most so many', integer(1, 100_000))
    .action(async (own: ListOptions, command: Command) => {
      const options = globalOptions(command);
      const runs = await withService(options, (service) =>
        service
          .call('run.list', {
            filter: own.filter,
            ...(own.place === 'all' ? {} : { place: own.place }),
            ...(own.limit === undefined ? {} : { limit: own.limit }),
          })
          .catch((error: unknown) => {
            throw withCaret(error, own.filter);
          }),
      );
      if (options.json) {
        printJson(runs);
        return;
      }
      printTable(
        [
          'id',
          'status',
          'method',
          'network',
          'data set',
          'target',
          'budget',
          'best (%)',
          'latency (ms)',
          'seed',
          'trials',
          'took',
          'created',
          'tags',
        ],
        runs.map((entry) => [
          entry.id,
          entry.status,
          entry.method,
          entry.network,
          entry.dataset,
          entry.target ?? '',
          entry.budgets.map(budget).join(', '),
          percent(entry.bestTestAccuracy ?? entry.bestAccuracy),
          ms(entry.bestLatencyMs),
          String(entry.seed),
          String(entry.trials),
          entry.startedAtMs !== null && entry.finishedAtMs !== null ? duration((entry.finishedAtMs - entry.startedAtMs) / 1000) : '',
          dateTime(entry.createdAtMs),
          `${entry.star ? '★ ' : ''}${entry.tags.join(' ')}`,
        ]),
        [7, 8, 9, 10, 11],
      );
    });
  run
    .command('show <id>')
    .description('one run: policies, accuracy, cost')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const { detail, sensitivity } = await withService(options, async (service) => ({
        detail: await service.call('run.show', { id }),
        sensitivity: (await service.call('run.metrics', { id })).filter(({ series }) => series.startsWith('sensitivity/')),
      }));
      if (options.json) {
        printJson({ ...searchResult(detail), summary: detail.summary, layers: detail.layers, checkpoint: detail.checkpoint, sensitivity });
        return;
      }
      const { summary } = detail;
      printLine(
        `${summary.id}  ${summary.name}\n${summary.status}${summary.error === null ? '' : `: ${summary.error}`}, ${summary.progress.phase} ${String(summary.progress.done)}/${String(summary.progress.total)}, seed ${String(summary.seed)}\n`,
      );
      printLine(`${machineOf(detail)}\n`);
      if (detail.manifest.method === 'pipeline') printPipeline(detail);
      else printSolutions(detail.solutions);
      printPolicy(detail);
      printSensitivity(detail, sensitivity);
    });
  run
    .command('cancel <id>')
    .description('stop at the next safe point, with a checkpoint')
    .action(async (id: string, _own, command: Command) => stop('run.cancel', id, command));
  run
    .command('pause <id>')
    .description('the same, to be resumed later')
    .action(async (id: string, _own, command: Command) => stop('run.pause', id, command));
  run
    .command('resume <id>')
    .description('go on from the last checkpoint')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const detail = await withService(options, (service) => followRun(service, () => service.call('run.resume', { id })));
      if (options.json) printJson(searchResult(detail));
      else if (detail.manifest.method === 'pipeline') printPipeline(detail);
      else printSolutions(detail.solutions);
    });
  run
    .command('export <id> <file>')
    .description('the run as one JSON document: manifest, policies, trials, metrics')
    .action(async (id: string, file: string, _own, command: Command) => {
      const options = globalOptions(command);
      const document = await withService(options, (service) => service.call('run.export', { id }));
      await write(
        file,
        `${JSON.stringify({ ...document, policy: document.run.solutions.find((solution) => solution.role === 'best')?.policy ?? null }, null, 2)}\n`,
      );
      if (options.json) printJson({ run: id, file });
      else printLine(`${file}: run ${id} with ${String(document.trials.length)} trials`);
    });
  run
    .command('policy <id>')
    .description('the found policy as JSON, or as CSV where the file is named so; --policy and --start read the JSON again')
    .requiredOption('--out <file>', 'the file to write: policy.json or policy.csv')
    .action(async (id: string, own: { readonly out: string }, command: Command) => {
      const options = globalOptions(command);
      const detail = await withService(options, (service) => service.call('run.show', { id }));
      const policy = detail.solutions.find((solution) => solution.role === 'best')?.policy;
      if (!policy)
        throw new LatheError(
          'not-found',
          `run ${id} has no policy (it is ${detail.summary.status}, ${detail.summary.method}); let it complete first`,
        );
      await write(own.out, own.out.toLowerCase().endsWith('.csv') ? policyCsv(detail, policy) : `${JSON.stringify(policy, null, 2)}\n`);
      if (options.json) printJson({ run: id, file: own.out, layers: policy.layers.length });
      else printLine(`${own.out}: bits of ${String(policy.layers.length)} layers`);
    });
  run
    .command('weights <id> <file>')
    .description('the trained float weights as a .safetensors file, which PyTorch and NumPy read')
    .option('--quantized', 'of a search of bits: the found network as it was measured, weights as whole numbers with their scales')
    .action(async (id: string, file: string, own: { readonly quantized?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const form = own.quantized === true ? 'quantized' : 'float';
      const { sha256, base64 } = await withService(options, (service) => service.call('run.weights', { id, form }));
      const data = Buffer.from(base64, 'base64');
      await write(file, data);
      if (options.json) printJson({ run: id, file, weights: sha256, sizeBytes: data.length });
      else printLine(`${file}: ${bytes(data.length)}, weights ${sha256.slice(0, 12)} of run ${id}`);
    });
  addCompareCommands(run);
  addKeepingCommands(run);
}

/** The same error with the filter and a mark under the place that it is about. */
function withCaret(error: unknown, filter: string): unknown {
  const offset = error instanceof LatheError ? error.details?.['offset'] : undefined;
  if (!(error instanceof LatheError) || typeof offset !== 'number') return error;
  const length = Number(error.details?.['length'] ?? 1);
  note(`  ${filter.replaceAll(/\s/g, ' ')}\n  ${' '.repeat(offset)}${'^'.repeat(Math.max(1, Math.min(length, filter.length - offset)))}`);
  return error;
}

/** A row a layer; names hold no commas or quotes unless a file brought them, so they are quoted where they do. */
function policyCsv(detail: RunDetail, policy: QuantizePolicy): string {
  const quoted = (text: string): string => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const rows = policy.layers.map(({ name, weightBits, activationBits }, index) =>
    [quoted(name), detail.layers[index]?.kind ?? '', weightBits, activationBits].map(String).join(','),
  );
  return `${['layer,kind,weightBits,activationBits', ...rows].join('\n')}\n`;
}

async function write(file: string, content: string | Buffer): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw new LatheError(
      'unavailable',
      `${file}: cannot be written (${error instanceof Error ? error.message : String(error)}); choose another place`,
    );
  }
}

async function stop(method: 'run.cancel' | 'run.pause', id: string, command: Command): Promise<void> {
  const options = globalOptions(command);
  const summary = await withService(options, async (service) => {
    await service.call(method, { id });
    return await waitUntilStopped(service, id);
  });
  if (options.json) printJson(summary);
  else printLine(`${summary.id} is ${summary.status}`);
}

async function waitUntilStopped(service: Service, id: string): Promise<RunSummary> {
  const until = Date.now() + cancelPatienceMs;
  for (;;) {
    const { summary } = await service.call('run.show', { id });
    if (summary.status !== 'running') return summary;
    if (Date.now() > until)
      throw new LatheError(
        'conflict',
        `run ${id} has been asked to stop and is still running after ${String(cancelPatienceMs / 1000)} s; look again with "lathe run show ${id}"`,
      );
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
