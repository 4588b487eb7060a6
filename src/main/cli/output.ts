/** What the terminal shows: tables, progress bars, one JSON document. Results go to stdout, everything else to stderr. */
import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import type { Progress } from '../../shared/run.ts';
import { duration, rate } from '../../shared/format.ts';

/**
 * A reader that has seen enough (`lathe network list | head`) ends the output, not the work: what else is written is dropped and
 * the exit code stays the command's. Output that is lost for another reason (a full disk) is a failure.
 */
export function dropOutputNobodyReads(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') return;
      process.exitCode = 1;
      if (stream === process.stdout) note(`error: the output cannot be written (${error.message})`);
    });
  }
}

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** A table with plain rules; `right` names the columns whose values are aligned right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[], right: readonly number[] = []): void {
  const table = new Table({
    head: [...head],
    colAligns: head.map((_, index) => (right.includes(index) ? 'right' : 'left')),
    style: { head: process.stdout.isTTY ? ['bold'] : [], border: [], compact: true },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: ' ',
    },
  });
  table.push(...rows.map((row) => [...row]));
  printLine(table.toString());
}

/** Progress of anything that has phases. */
export type ShownProgress = Omit<Progress, 'phase'> & { readonly phase: string };

export interface RunProgressView {
  show(progress: ShownProgress, detail: string): void;
  stop(): void;
}

/** One bar a phase on a terminal; a line a phase (and one every ten seconds) where there is none. */
export function progressView(): RunProgressView {
  return process.stderr.isTTY ? barView() : lineView();
}

function barView(): RunProgressView {
  const bars = new MultiBar(
    {
      format: '{phase} {bar} {value}/{total}  {rate}  {eta_text}  {detail}',
      clearOnComplete: false,
      hideCursor: true,
      stream: process.stderr,
      fps: 5,
    },
    Presets.shades_grey,
  );
  const byPhase = new Map<string, SingleBar>();
  return {
    show: (progress, detail) => {
      if (progress.total === 0) return;
      let bar = byPhase.get(progress.phase);
      for (const [phase, other] of byPhase) if (phase !== progress.phase) other.update(other.getTotal());
      if (!bar) {
        bar = bars.create(progress.total, 0);
        byPhase.set(progress.phase, bar);
      }
      bar.update(progress.done, { phase: progress.phase.padEnd(11), rate: rateText(progress), eta_text: etaText(progress), detail });
    },
    stop: () => {
      for (const bar of byPhase.values()) bar.update({ eta_text: '' });
      bars.stop();
    },
  };
}

function lineView(): RunProgressView {
  const intervalMs = 10_000;
  let lastPhase = '';
  let lastMs = 0;
  return {
    show: (progress, detail) => {
      const now = Date.now();
      if (progress.total === 0 || (progress.phase === lastPhase && now - lastMs < intervalMs)) return;
      lastPhase = progress.phase;
      lastMs = now;
      note(
        [`${progress.phase} ${String(progress.done)}/${String(progress.total)}`, rateText(progress), etaText(progress), detail]
          .filter((part) => part !== '')
          .join('  '),
      );
    },
    stop: () => undefined,
  };
}

function rateText(progress: ShownProgress): string {
  return progress.ratePerSecond === null ? '' : rate(progress.ratePerSecond);
}

function etaText(progress: ShownProgress): string {
  return progress.etaSeconds === null ? '' : `${duration(progress.etaSeconds)} left`;
}
