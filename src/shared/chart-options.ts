/**
 * Charts as ECharts takes them, apart from any page: what a window saves as SVG and what a report holds are drawn from these, with
 * the same axes. Pure; imports no chart library.
 */
import type { ChartColors, SeriesColor } from './series.ts';

/** An option of ECharts, whose own type belongs to the library. */
export type ChartOption = Record<string, unknown>;

export interface DrawnSeries {
  readonly id: string;
  readonly color: SeriesColor;
  readonly kind: 'points' | 'line' | 'step';
  readonly dash?: readonly number[];
  readonly points: readonly (readonly [x: number, y: number | null])[];
}

export interface LinesChart {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly DrawnSeries[];
  readonly references?: readonly { readonly value: number; readonly label: string }[];
  readonly log?: boolean; // the vertical axis
}

function textStyle(colors: ChartColors): { color: string; fontSize: number; fontFamily: string } {
  return { color: colors.muted, fontSize: 11, fontFamily: colors.font };
}

/** A numeric axis as in every chart of the house: no line of its own, a grid, its name with the unit in the middle. */
export function valueAxis(colors: ChartColors, name: string, nameGap: number, log = false): ChartOption {
  const text = textStyle(colors);
  return {
    type: log ? 'log' : 'value',
    scale: true,
    name,
    nameLocation: 'middle',
    nameGap,
    nameTextStyle: text,
    axisLabel: text,
    splitLine: { lineStyle: { color: colors.grid } },
    axisLine: { show: false },
    axisTick: { show: false },
  };
}

const dashOf = (dash: readonly number[] = []): 'solid' | number[] => (dash.length === 0 ? 'solid' : [...dash]);

/** Series over one axis, with horizontal lines that they are read against. */
export function linesOption({ xLabel, yLabel, series, references = [], log = false }: LinesChart, colors: ChartColors): ChartOption {
  return {
    animation: false,
    grid: { left: 58, right: 16, top: 12, bottom: 40 },
    xAxis: { ...valueAxis(colors, xLabel, 24), splitLine: { show: false } },
    yAxis: valueAxis(colors, yLabel, 42, log),
    series: series.map(({ id, color, kind, dash, points }, place) => ({
      id,
      name: id,
      type: kind === 'points' ? 'scatter' : 'line',
      ...(kind === 'step' ? { step: 'end' } : {}),
      ...(kind === 'points' ? { symbolSize: 3.5 } : { symbol: 'none', connectNulls: true }),
      data: points,
      itemStyle: { color: colors.series[color], ...(kind === 'points' ? { opacity: 0.75 } : {}) },
      lineStyle: { color: colors.series[color], width: 1.75, type: dashOf(dash) },
      emphasis: { disabled: true },
      ...(place > 0 || references.length === 0
        ? {}
        : {
            markLine: {
              silent: true,
              symbol: 'none',
              animation: false,
              lineStyle: { color: colors.bad, type: [6, 4], width: 1 },
              label: { show: true, position: 'insideEndTop', formatter: '{b}', ...textStyle(colors) },
              data: references.map(({ value, label }) => ({ yAxis: value, name: label })),
            },
          }),
    })),
  };
}

export interface DecisionsChart {
  readonly unit: string;
  readonly layers: readonly string[];
  readonly runs: readonly {
    readonly id: string;
    readonly color: SeriesColor;
    readonly dash: readonly number[];
    readonly marker: string;
    readonly values: readonly (number | string | undefined)[]; // a layer each
  }[];
}

/** Decisions layer by layer, a stepped line a run. */
export function decisionsOption({ unit, layers, runs }: DecisionsChart, colors: ChartColors): ChartOption {
  return {
    animation: false,
    grid: { left: 46, right: 14, top: 10, bottom: 72 },
    xAxis: {
      type: 'category',
      data: [...layers],
      axisLabel: { ...textStyle(colors), rotate: 45, fontSize: 10, hideOverlap: true },
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colors.line } },
    },
    yAxis: { ...valueAxis(colors, unit, 32), scale: false, min: 0, minInterval: 1 },
    series: runs.map(({ id, color, dash, marker, values }) => ({
      id,
      name: id,
      type: 'line',
      step: 'middle',
      symbol: marker,
      symbolSize: 6,
      showAllSymbol: true,
      lineStyle: { color: colors.series[color], width: 1.75, type: dashOf(dash) },
      itemStyle: { color: colors.series[color] },
      emphasis: { disabled: true },
      data: values.map((value) => value ?? null),
    })),
  };
}

export interface ScatterChart {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly runs: readonly {
    readonly id: string;
    readonly color: SeriesColor;
    readonly marker: string;
    readonly points: readonly (readonly [number, number])[];
  }[];
  readonly front: readonly (readonly [number, number])[];
}

/** Points of runs, and the front over all of them as a dashed stair. */
export function scatterOption({ xLabel, yLabel, runs, front }: ScatterChart, colors: ChartColors): ChartOption {
  return {
    animation: false,
    grid: { left: 58, right: 16, top: 12, bottom: 40 },
    xAxis: valueAxis(colors, xLabel, 24),
    yAxis: valueAxis(colors, yLabel, 42),
    series: [
      ...runs.map(({ id, color, marker, points }) => ({
        id,
        name: id,
        type: 'scatter',
        symbol: marker,
        symbolSize: 5,
        data: points,
        itemStyle: { color: colors.series[color], opacity: 0.5 },
        emphasis: { disabled: true },
      })),
      {
        id: 'front',
        type: 'line',
        step: 'end',
        symbol: 'none',
        silent: true,
        data: front,
        lineStyle: { color: colors.text, width: 1.25, type: [4, 3] },
      },
    ],
  };
}

/** Points of runs, told apart by their shape too. */
const markers = ['circle', 'triangle', 'diamond', 'rect', 'arrow', 'roundRect'] as const;

export function markerOf(place: number): (typeof markers)[number] {
  return markers[place % markers.length] ?? 'circle';
}
