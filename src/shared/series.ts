/** The colours of series by name; tokens.css has each for light and for dark. */
export const seriesColors = ['blue', 'orange', 'green', 'red', 'purple', 'sky', 'gold', 'pink', 'brown', 'teal', 'grey'] as const;
export type SeriesColor = (typeof seriesColors)[number];
