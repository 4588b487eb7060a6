/**
 * Numbers as a person reads them: the same digits and units in the window, the browser and the terminal. Text only; no
 * locale, so that a figure looks the same on every machine and can be searched for. A value that is not known is `—`.
 */
import type { Budget, Resource } from './policy.ts';

/** What stands where a figure is not known. */
export const unknown = '—';

const minus = '−'; // U+2212, as wide as a plus in tabular figures

/** True for a number that can be shown. */
function known(value: number | null | undefined): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

/** A typographic minus in front of a negative number; `-0` and what rounds to it lose the sign. */
function signed(text: string): string {
  if (!text.startsWith('-')) return text;
  return /[1-9]/.test(text) ? minus + text.slice(1) : text.slice(1);
}

/** Groups the digits before the point by thousands: `1234567.5` is `1,234,567.5`. */
function grouped(text: string): string {
  const point = text.indexOf('.');
  const whole = point < 0 ? text : text.slice(0, point);
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (point < 0 ? '' : text.slice(point));
}

/** A number with a fixed number of decimals: `fixed(0.5, 3)` is `0.500`. */
export function fixed(value: number | null | undefined, decimals: number): string {
  return known(value) ? signed(grouped(value.toFixed(decimals))) : unknown;
}

/**
 * A number with significant digits and no exponent between 1e-4 and 1e9: `significant(74.4577, 4)` is `74.46`. Trailing
 * zeros stay, so that a column has one precision; digits in front of the point are never rounded away.
 */
export function significant(value: number | null | undefined, digits = 4): string {
  if (!known(value)) return unknown;
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e9) return signed(value.toExponential(digits - 1));
  // The magnitude is that of the rounded value: 99.996 at four digits is 100.0 and not 100.00.
  const magnitude = Math.floor(Math.log10(Number(size.toPrecision(digits))));
  return signed(grouped(value.toFixed(Math.max(0, digits - 1 - magnitude))));
}

/** A whole number with thousands separated: `568,740,352`. */
export function count(value: number | null | undefined): string {
  return fixed(value, 0);
}

const decimalPrefixes = ['', 'k', 'M', 'G', 'T', 'P'] as const;

/** A number with an SI prefix and three significant digits: `568.7 M` with 4 digits. Below 1000 as it is. */
export function si(value: number | null | undefined, unit = '', digits = 3): string {
  if (!known(value)) return unknown;
  let step = 0;
  let scaled = value;
  while (Math.abs(Number(scaled.toPrecision(digits))) >= 1000 && step < decimalPrefixes.length - 1) {
    scaled /= 1000;
    step += 1;
  }
  const text = step === 0 && Number.isInteger(value) ? signed(String(value)) : significant(scaled, digits);
  const suffix = `${decimalPrefixes[step] ?? ''}${unit}`;
  return suffix === '' ? text : `${text} ${suffix}`;
}

/** Bytes with decimal prefixes (1 kB = 1000 B), as budgets count them: `1.20 MB`. Below 1000 as whole bytes. */
export function bytes(value: number | null | undefined): string {
  if (!known(value)) return unknown;
  return Math.abs(value) < 999.5 ? `${fixed(value, 0)} B` : si(value, 'B');
}

/** Milliseconds of simulated or measured latency, four significant digits, without the unit: it stands in the header. */
export function ms(value: number | null | undefined): string {
  return significant(value, 4);
}

/** The same with its unit, for running text. */
export function msUnit(value: number | null | undefined): string {
  return known(value) ? `${ms(value)} ms` : unknown;
}

/** Millijoules, four significant digits, without the unit. */
export function millijoules(value: number | null | undefined): string {
  return significant(value, 4);
}

/** A fraction 0..1 as per cent, without the sign: `percent(0.91234)` is `91.23`. */
export function percent(fraction: number | null | undefined, decimals = 2): string {
  return known(fraction) ? fixed(fraction * 100, decimals) : unknown;
}

/** The same with its unit. */
export function percentUnit(fraction: number | null | undefined, decimals = 2): string {
  return known(fraction) ? `${percent(fraction, decimals)} %` : unknown;
}

/** The difference of two fractions in percentage points, always with a sign: `+0.42`, `−1.30`, `0.00`. */
export function points(difference: number | null | undefined, decimals = 2): string {
  if (!known(difference)) return unknown;
  const text = percent(difference, decimals);
  return /[1-9]/.test(text) && !text.startsWith(minus) ? `+${text}` : text;
}

/** A length of time in seconds: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 04 min`, `3 d 04 h`. */
export function duration(seconds: number | null | undefined): string {
  if (!known(seconds)) return unknown;
  if (seconds < 0) return `${minus}${duration(-seconds)}`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${pad(whole % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${pad(minutes % 60)} min`;
  const hours = Math.round(seconds / 3600);
  return `${Math.floor(hours / 24)} d ${pad(hours % 24)} h`;
}

/** Steps a second, or a minute where they are slow: `123 /s`, `4.20 /s`, `12.0 /min`. */
export function rate(perSecond: number | null | undefined, noun = ''): string {
  if (!known(perSecond)) return unknown;
  if (perSecond >= 1 || perSecond === 0) return `${significant(perSecond, 3)} ${noun}/s`;
  return `${significant(perSecond * 60, 3)} ${noun}/min`;
}

/** A moment in local time: `2026-03-01 14:05:09`; without seconds on request. */
export function dateTime(unixMs: number | null | undefined, seconds = false): string {
  if (!known(unixMs)) return unknown;
  const date = new Date(unixMs);
  const pad = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}${seconds ? `:${pad(date.getSeconds())}` : ''}`;
}

/** A moment's time of day in local time: `14:05:09`. */
export function timeOfDay(unixMs: number | null | undefined): string {
  return known(unixMs) ? dateTime(unixMs, true).slice(11) : unknown;
}

/** A moment as how long ago it was: `just now`, `5 min ago`, `3 h ago`, `2 d ago`; later than a week as its date. */
export function ago(unixMs: number | null | undefined, nowMs: number): string {
  if (!known(unixMs)) return unknown;
  const seconds = (nowMs - unixMs) / 1000;
  if (seconds < 45) return 'just now';
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 23.5 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 7 * 86_400) return `${Math.max(1, Math.round(seconds / 86_400))} d ago`;
  return dateTime(unixMs).slice(0, 10);
}

/** A tensor's shape: `32 × 32 × 3`. */
export function shape(sizes: readonly number[]): string {
  return sizes.join(' × ');
}

/** An amount of a resource in its own unit: `12.50 ms`, `1.20 MB`, `150 M MACs`. */
export function resource(kind: Resource, value: number | null | undefined): string {
  if (!known(value)) return unknown;
  switch (kind) {
    case 'latency':
      return msUnit(value);
    case 'energy':
      return `${millijoules(value)} mJ`;
    case 'size':
      return bytes(value);
    case 'macs':
      return `${si(value)} MACs`;
    case 'params':
      return `${si(value)} parameters`;
  }
}

/** A budget as a person would say it: `latency ≤ 50 %`, `size ≤ 1.20 MB`. */
export function budget(limit: Budget): string {
  const value = limit.kind === 'fraction' ? `${significantTrimmed(limit.value * 100, 4)} %` : resource(limit.resource, limit.value);
  return `${limit.resource} ≤ ${value}`;
}

/** Significant digits without trailing zeros, for figures that a person typed: `50`, `62.5`. */
export function significantTrimmed(value: number | null | undefined, digits = 4): string {
  const text = significant(value, digits);
  return text.includes('.') && !text.includes('e') ? text.replace(/\.?0+$/, '') : text;
}
