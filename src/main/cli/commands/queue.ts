/** Many machines: `worker` on each of them, `queue` on the workstation whose runs they work on. */
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { LatheError } from '../../../shared/errors.ts';
import { bytes, dateTime, duration, rate } from '../../../shared/format.ts';
import type { QueueStatus, WorkerInfo } from '../../../shared/queue.ts';
import { launchNodeEngine } from '../../engine/launcher.ts';
import { parseQueueAddress } from '../../queue/address.ts';
import type { Service } from '../../service/index.ts';
import { integer, oneOf } from '../arguments.ts';
import { globalOptions, withService, type GlobalOptions } from '../context.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { followRuns } from './studies.ts';

interface WorkerFlags {
  readonly slots: number;
  readonly threads?: number;
  readonly simd?: 'baseline' | 'avx2' | 'avx512';
  readonly name: string;
  readonly lostAfter: number;
}

export function addQueueCommands(program: Command): void {
  program
    .command('worker')
    .description('work on the runs of a queue, as redis://host:6379, until it is stopped; nothing is kept on this machine')
    .option('--slots <n>', 'runs at once', integer(1, 1024), 1)
    .option('--threads <n>', 'threads of a run at most (default: the physical cores, shared among the slots)', integer(1, 1024))
    .option('--simd <level>', "baseline, avx2 or avx512 (default: the machine's best)", oneOf(['baseline', 'avx2', 'avx512']))
    .option('--name <name>', 'of this machine, as others see it', hostname())
    .option('--lost-after <seconds>', 'silent for this long, its runs go to another worker', integer(1, 3600), 30)
    .action(async (own: WorkerFlags, command: Command) => {
      await work(globalOptions(command), own);
    });
  const queue = program.command('queue').description('the queue whose workers do the runs of this machine');
  queue
    .command('use <url>')
    .description('use this queue from now on, as redis://user:password@host:6379/0?prefix=lathe, or rediss:// with TLS')
    .option('--listen <host>', 'host or host:port at which workers reach this machine (default: as the Redis server sees it)')
    .action(async (url: string, own: { readonly listen?: string }, command: Command) => {
      const options = globalOptions(command);
      const status = await withService(options, (service) => service.call('queue.use', { url, ...own }));
      if (status.problem !== null) note(`warning: ${status.problem}`);
      if (options.json) printJson(status);
      else
        printLine(
          `queue ${status.address ?? ''}, prefix ${status.prefix}; runs go there with --queue, "lathe queue submit", or from the window`,
        );
    });
  queue
    .command('forget')
    .description('use no queue any more')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const status = await withService(options, (service) => service.call('queue.use', { url: null }));
      if (options.json) printJson(status);
      else printLine('no queue: runs are worked on here');
    });
  queue
    .command('submit [runs...]')
    .description('give runs that wait or were stopped to the queue, and receive what the workers send until all have ended')
    .option('--study <id>', 'all runs of this study that are not completed')
    .option('--no-wait', 'leave receiving to another Lathe of this data folder, such as "lathe serve" or the window')
    .action(async (runs: string[], own: { readonly study?: string; readonly wait: boolean }, command: Command) => {
      await submit(globalOptions(command), runs, own);
    });
  queue
    .command('status')
    .description('how many runs wait, and those of this machine')
    .action(async (_own, command: Command) => {
      await show(globalOptions(command), printStatus);
    });
  queue
    .command('workers')
    .description('who works on what, since when and how fast')
    .action(async (_own, command: Command) => {
      await show(globalOptions(command), ({ workers }) => printWorkers(workers));
    });
}

async function work({ dataDir, queue }: GlobalOptions, { slots, threads, simd, name, lostAfter }: WorkerFlags): Promise<void> {
  if (queue === undefined) throw new LatheError('bad-input', 'name the queue to work for, as --queue redis://host:6379');
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  const { QueueWorker } = await import('../../queue/worker.ts');
  const worker = await QueueWorker.start({
    address: parseQueueAddress(queue),
    folder: join(dataDir, 'worker'),
    ...{ name, slots, launchEngine: launchNodeEngine, log: note },
    ...(threads === undefined ? {} : { threads }),
    ...(simd === undefined ? {} : { simd }),
    lostAfterMs: lostAfter * 1000,
    patienceMs: 20 * lostAfter * 1000,
  });
  const { identity } = worker;
  note(
    `worker ${identity.name}: ${String(slots)} ${slots === 1 ? 'slot' : 'slots'}, ${String(identity.threads)} ${identity.threads === 1 ? 'thread' : 'threads'} each, ${identity.build.simd}, Lathe ${identity.build.lathe}; Ctrl-C gives its runs back`,
  );
  await stopped;
  note('stopping: every run writes a checkpoint and goes back into the queue');
  await worker.close();
}

async function submit(
  options: GlobalOptions,
  runs: readonly string[],
  { study, wait }: { readonly study?: string; readonly wait: boolean },
): Promise<void> {
  if ((study === undefined) === (runs.length === 0)) throw new LatheError('bad-input', 'name either runs or one --study');
  const status = await withService(options, async (service) => {
    const ids = study === undefined ? runs : await unfinishedRuns(service, study);
    const summaries = ids.length === 0 ? [] : await service.call('queue.submit', { runs: [...ids] });
    note(`${String(summaries.length)} runs given to the queue`);
    if (wait) await followRuns(service, ids);
    return await service.call('queue.status', {});
  });
  if (!wait && !status.isReceiving) note('nobody receives results now: keep "lathe serve" or the window open, or submit without --no-wait');
  if (options.json) printJson(status);
  else printStatus(status);
}

async function unfinishedRuns(service: Service, study: string): Promise<string[]> {
  const { study: found } = await service.call('study.show', { id: study });
  return [...new Set(found.cells.filter(({ status }) => status !== 'completed' && status !== 'running').map(({ run }) => run))];
}

async function show(options: GlobalOptions, print: (status: QueueStatus) => void): Promise<void> {
  const status = await withService(options, (service) => service.call('queue.status', {}));
  if (options.json) printJson(status);
  else if (status.address === null)
    throw new LatheError('unavailable', 'no queue is configured: choose one with "lathe queue use redis://host:6379"');
  else print(status);
  if (status.problem !== null) throw new LatheError('unavailable', status.problem);
}

function printStatus(status: QueueStatus): void {
  const memory =
    status.memory === null
      ? ''
      : `, server memory ${bytes(status.memory.usedBytes)}${status.memory.limitBytes === null ? '' : ` of ${bytes(status.memory.limitBytes)}`}`;
  printLine(
    `${status.address ?? 'no queue'}  prefix ${status.prefix}  ${String(status.waiting)} waiting, ${String(status.active)} at work${memory}`,
  );
  printLine(status.isReceiving ? 'results are received' : 'nobody receives results here: keep "lathe serve" or the window open');
  if (status.runs.length === 0) return;
  printTable(
    ['run', 'status', 'phase', 'done', 'worker', 'attempt', 'lost', 'submitted', 'name'],
    status.runs.map((run) => [
      run.run,
      run.status,
      run.progress.phase,
      run.progress.total === 0 ? '' : `${String(run.progress.done)}/${String(run.progress.total)}`,
      run.isWorking ? (run.worker?.name ?? '') : '',
      String(run.attempt),
      String(run.lost),
      dateTime(run.submittedAtMs),
      run.name,
    ]),
    [3, 5, 6],
  );
}

function printWorkers(workers: readonly WorkerInfo[]): void {
  if (workers.length === 0) {
    printLine('no worker: start one with "lathe worker --queue redis://host:6379"');
    return;
  }
  const now = Date.now();
  printTable(
    ['worker', 'state', 'slots', 'threads', 'SIMD', 'Lathe', 'runs', 'done', 'failed', 'runs/h', 'since', 'heard', 'processor'],
    workers.map((worker) => [
      worker.name,
      worker.state,
      `${String(worker.runs.length)}/${String(worker.slots)}`,
      String(worker.threads),
      worker.build.simd,
      worker.build.lathe,
      worker.runs.map(({ run, sinceMs }) => `${run} (${duration((now - sinceMs) / 1000)})`).join(', '),
      String(worker.completed),
      String(worker.failed),
      worker.busySeconds > 0 ? rate((3600 * worker.completed) / worker.busySeconds).replace('/s', '') : '',
      dateTime(worker.startedAtMs),
      `${duration((now - worker.heardAtMs) / 1000)} ago`,
      worker.cpu,
    ]),
    [2, 3, 7, 8, 9],
  );
  for (const { name, reason } of workers) if (reason !== null) printLine(`${name}: ${reason}`);
}
