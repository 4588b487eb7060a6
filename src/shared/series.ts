/** The colours of charts by name; resources/tokens.css has each for light and for dark. */
export const seriesColors = ['blue', 'orange', 'green', 'red', 'purple', 'sky', 'gold', 'pink', 'brown', 'teal', 'grey'] as const;
export type SeriesColor = (typeof seriesColors)[number];

/** Colours as a chart takes them: values where it draws on a canvas, `var(--name)` where it becomes a part of a page. */
export interface ChartColors {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly line: string;
  readonly surface: string;
  readonly raised: string;
  readonly accent: string;
  readonly bad: string;
  readonly font: string;
  readonly series: Readonly<Record<SeriesColor, string>>;
}
