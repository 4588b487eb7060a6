/** Words for where a run is; the same in the table and on the run's page. */
import { duration, rate, count } from '../../../shared/format.ts';
import type { Progress, RunStatus } from '../../../shared/run.ts';

export const phaseWords = {
  waiting: 'waiting',
  loading: 'loading the data set',
  training: 'training',
  calibrating: 'calibrating',
  baselines: 'measuring before the search',
  warmup: 'warming the supernet up',
  searching: 'searching',
  tuning: 'fine-tuning',
  retraining: 'training the networks',
  testing: 'testing on the test split',
  done: 'done',
} as const satisfies Record<Progress['phase'], string>;

/** What a phase counts. */
export const phaseUnits = {
  waiting: '',
  loading: '',
  training: 'steps',
  calibrating: 'images',
  baselines: 'policies',
  warmup: 'steps',
  searching: 'trials',
  tuning: 'steps',
  retraining: 'steps',
  testing: 'policies',
  done: '',
} as const satisfies Record<Progress['phase'], string>;

export function isActive(status: RunStatus): boolean {
  return status === 'running' || status === 'queued';
}

export function canCancel(status: RunStatus): boolean {
  return status === 'running' || status === 'queued';
}

export function canResume(status: RunStatus): boolean {
  return status === 'interrupted' || status === 'cancelled' || status === 'paused' || status === 'failed';
}

/** The done part of the phase, 0..1, or of a pipeline's stages; null while its length is unknown. */
export function fraction(progress: Progress): number | null {
  const { stage, ...own } = progress;
  if (stage) return (stage.index + (fraction(own) ?? 0)) / stage.count;
  if (progress.phase === 'done') return 1;
  return progress.total > 0 ? Math.min(1, progress.done / progress.total) : null;
}

/** `searching, 34 of 200 trials`; of a pipeline `stage 2 of 3 (prune), searching, 34 of 200 trials`. */
export function progressText(progress: Progress): string {
  const { stage, ...own } = progress;
  if (stage) return `stage ${count(stage.index + 1)} of ${count(stage.count)} (${stage.name}), ${progressText(own)}`;
  const words = phaseWords[progress.phase];
  if (progress.total <= 0) return words;
  return `${words}, ${count(progress.done)} of ${count(progress.total)} ${unitOf(progress)}`.trimEnd();
}

function unitOf({ unit, phase }: Progress): string {
  return unit ?? phaseUnits[phase];
}

/** `12.0 trials/min · 3 min 05 s left`; empty while nothing is known. */
export function paceText(progress: Progress): string {
  const parts: string[] = [];
  if (progress.ratePerSecond !== null && progress.ratePerSecond > 0) parts.push(rate(progress.ratePerSecond, unitOf(progress)));
  if (progress.etaSeconds !== null) parts.push(`${duration(progress.etaSeconds)} left`);
  return parts.join(' · ');
}
