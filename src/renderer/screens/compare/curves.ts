/** The curves of several runs over one axis: trials, or the time since each began. Pure. */
import type { Trial } from '../../../shared/run.ts';
import { trialSeries, type Points, type TrialSeries } from '../run/series.ts';

export type Align = 'trial' | 'time';

/** One curve of a run's trials. */
export type TrialCurve = Exclude<keyof TrialSeries, 'steps'>;

/** Centiseconds are enough to tell trials apart; equal ones would fall together. */
const perSecond = 100;

/** Where each trial stands on the axis: its number, or the seconds since the run started. */
export function placesOf(trials: readonly Trial[], startedAtMs: number | null, align: Align): readonly number[] {
  if (align === 'trial') return trials.map(({ step }) => step);
  const from = startedAtMs ?? trials[0]?.atMs ?? 0;
  return trials.map(({ atMs }) => Math.max(0, Math.round(((atMs - from) / 1000) * perSecond) / perSecond));
}

/** A curve over those places, without the trials that have no such value. */
export function curveOf(trials: readonly Trial[], startedAtMs: number | null, align: Align, curve: TrialCurve): Points {
  const places = placesOf(trials, startedAtMs, align);
  const values: readonly (number | null)[] = trialSeries(trials)[curve];
  const steps: number[] = [];
  const known: number[] = [];
  values.forEach((value, i) => {
    const place = places[i];
    if (value === null || place === undefined) return;
    steps.push(place);
    known.push(value);
  });
  return { steps, values: known };
}
