/** Charts as SVG that is a part of a page: its colours follow the page's, and it holds no style of its own, which a strict policy forbids. */
import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { ChartOption } from '../../../shared/chart-options.ts';
import { seriesColors, type ChartColors, type SeriesColor } from '../../../shared/series.ts';
import { escapeHtml, html, Html, type Part } from './html.ts';

use([LineChart, ScatterChart, GridComponent, MarkLineComponent, SVGRenderer]);

/** Names of the page's own colours, which are light or dark as the reader likes it. */
export const pageColors: ChartColors = {
  text: 'var(--text)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  line: 'var(--line-strong)',
  surface: 'var(--surface)',
  raised: 'var(--raised)',
  accent: 'var(--accent)',
  bad: 'var(--bad)',
  font: 'inherit',
  series: Object.fromEntries(seriesColors.map((name) => [name, `var(--series-${name})`])) as Record<SeriesColor, string>,
};

/** A chart with its title, its legend and a sentence for who does not see it. */
export function figure(
  title: string,
  option: ChartOption,
  legend: Part,
  size: { readonly width: number; readonly height: number } = { width: 760, height: 260 },
): Html {
  return html`<figure>
    <figcaption><b>${title}</b> ${legend}</figcaption>
    ${svgOf(option, title, size)}
  </figure>`;
}

export function svgOf(option: ChartOption, label: string, { width, height }: { readonly width: number; readonly height: number }): Html {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption(option);
    return new Html(withoutStyles(chart.renderToSVGString(), label, width, height));
  } finally {
    chart.dispose();
  }
}

/** Style attributes become attributes of their own, the library's hover rules and bookkeeping go. */
function withoutStyles(svg: string, label: string, width: number, height: number): string {
  return svg
    .replace(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    .replace(/ (?:class|ecmeta_\w+|pointer-events)="[^"]*"/g, '')
    .replace(/ style="([^"]*)"/g, (_, style: string) =>
      style
        .split(';')
        .map((declaration) => /^\s*([a-z-]+)\s*:\s*(.+?)\s*$/.exec(declaration))
        .map((match) => (match && match[1] !== 'user-select' && match[1] !== 'position' ? ` ${match[1] ?? ''}="${match[2] ?? ''}"` : ''))
        .join(''),
    )
    .replace(
      /^<svg [^>]*>/,
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${String(width)} ${String(height)}" role="img" aria-label="${escapeHtml(label)}">`,
    );
}
