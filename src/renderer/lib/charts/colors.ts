/** The tokens of tokens.css as canvas charts need them: plain colour strings, read again when the theme changes. */
import type { LayerKind } from '../../../shared/network.ts';
import { seriesColors, type ChartColors, type SeriesColor } from '../../../shared/series.ts';

export type { ChartColors, SeriesColor };

export function readColors(element: Element = document.documentElement): ChartColors {
  const style = getComputedStyle(element);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: token('--text'),
    muted: token('--muted'),
    grid: token('--grid'),
    line: token('--line-strong'),
    surface: token('--surface'),
    raised: token('--raised'),
    accent: token('--accent'),
    bad: token('--bad'),
    font: token('--font'),
    series: Object.fromEntries(seriesColors.map((name) => [name, token(`--series-${name}`)])) as Record<SeriesColor, string>,
  };
}

/** Every layer kind has a colour and a hatch, the same in every chart. */
export const layerKindLooks = {
  conv: { label: 'convolution', color: 'green', hatch: 'dots' },
  depthwise: { label: 'depthwise', color: 'orange', hatch: 'stripes' },
  pointwise: { label: 'pointwise', color: 'blue', hatch: 'none' },
  linear: { label: 'linear', color: 'purple', hatch: 'cross' },
} as const satisfies Record<LayerKind, { label: string; color: SeriesColor; hatch: 'none' | 'stripes' | 'dots' | 'cross' }>;
