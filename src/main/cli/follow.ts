/** Watches one run until it ends: progress on stderr, Ctrl-C cancels with a checkpoint. */
import type { LatheEvent } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { msUnit, percentUnit } from '../../shared/format.ts';
import type { RunDetail, RunStatus, RunSummary } from '../../shared/run.ts';
import type { Service } from '../service/index.ts';
import { note, progressView } from './output.ts';

const ended: readonly RunStatus[] = ['completed', 'failed', 'cancelled', 'interrupted', 'paused'];

/** Starts the run with `begin` and resolves with its detail once it has ended; throws when it did not complete. */
export async function followRun(service: Service, begin: () => Promise<RunSummary>): Promise<RunDetail> {
  const view = progressView();
  let id: string | null = null;
  let cancelRequested = false;
  let settle: (summary: RunSummary) => void = () => undefined;
  const end = new Promise<RunSummary>((resolve) => {
    settle = resolve;
  });
  const onEvent = (event: LatheEvent): void => {
    if (event.name === 'run.log' && event.payload.id === id) {
      for (const line of event.payload.lines) if (line.level === 'warn' || line.level === 'error') note(`${line.level}: ${line.text}`);
    }
    if (event.name !== 'run.changed' || event.payload.id !== id) return;
    view.show(event.payload.progress, detailOf(event.payload));
    if (ended.includes(event.payload.status)) settle(event.payload);
  };
  const unsubscribe = service.subscribe(onEvent);
  const onInterrupt = (): void => {
    if (id === null || cancelRequested) return;
    cancelRequested = true;
    note('\ncancelling at the next safe point …');
    service.call('run.cancel', { id }).catch(() => undefined); // already ended: the run says so itself
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  try {
    const started = await begin();
    id = started.id;
    // A run of another process that has ended meanwhile sends nothing more.
    const current = await service.call('run.show', { id });
    if (ended.includes(current.summary.status) && current.summary.revision > started.revision) settle(current.summary);
    const last = await end;
    if (last.status !== 'completed') throw notCompleted(last);
    return await service.call('run.show', { id });
  } finally {
    view.stop();
    unsubscribe();
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}

function notCompleted(summary: RunSummary): LatheError {
  const reason = summary.error === null ? '' : `: ${summary.error}`;
  return new LatheError('cancelled', `run ${summary.id} is ${summary.status}${reason}; "lathe run resume ${summary.id}" continues it`);
}

function detailOf(summary: RunSummary): string {
  if (summary.method === 'quantize' && summary.bestAccuracy !== null) {
    return `best ${percentUnit(summary.bestAccuracy, 2)} at ${msUnit(summary.bestLatencyMs)}`;
  }
  if (summary.method === 'prune' && summary.bestAccuracy !== null) return `best ${percentUnit(summary.bestAccuracy, 2)}`;
  return summary.bestAccuracy === null ? '' : `validation ${percentUnit(summary.bestAccuracy, 2)}`;
}
