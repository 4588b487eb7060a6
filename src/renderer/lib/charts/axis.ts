/** Labels of a numeric axis: as many decimals as the ticks' distance needs, prefixes where numbers are long. */
import { fixed, si } from '../../../shared/format.ts';

export function tickLabels(ticks: readonly (number | null)[], distance: number): string[] {
  let decimals = 0;
  // As many as the distance itself has: steps of 0.025 need three.
  while (decimals < 6 && Math.abs(distance * 10 ** decimals - Math.round(distance * 10 ** decimals)) > 1e-6) decimals += 1;
  return ticks.map((tick) => {
    if (tick === null) return '';
    if (Math.abs(tick) >= 100_000) return si(tick);
    return fixed(tick, decimals);
  });
}

/** Labels of a logarithmic axis: only those of whole powers and, when there is room, of 2 and 5. */
export function logTickLabels(ticks: readonly (number | null)[]): string[] {
  return ticks.map((tick) => {
    if (tick === null) return '';
    const power = Math.floor(Math.log10(tick) + 1e-9);
    const lead = Math.round(tick / 10 ** power);
    if (lead !== 1 && lead !== 2 && lead !== 5) return '';
    return tick >= 1e5 || tick < 1e-4 ? tick.toExponential(0) : String(Number(tick.toPrecision(2)));
  });
}
