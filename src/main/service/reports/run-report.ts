/** A run, or several side by side, as a page: results, curves, trade-off, decisions, settings. */
import { bestPlaces, configRows, figureText, policySections, resultRows, type PolicySection } from '../../../shared/compare.ts';
import { decisionsOption, linesOption, markerOf, scatterOption, type DrawnSeries } from '../../../shared/chart-options.ts';
import { budget as budgetText, bytes, dateTime, millijoules, ms, percent } from '../../../shared/format.ts';
import { objectives, trialCandidates, weigh } from '../../../shared/objectives.ts';
import type { Metric, RunDetail, Trial } from '../../../shared/run.ts';
import { runLooks, type RunLook } from '../../../shared/run-look.ts';
import { figure, pageColors } from './chart.ts';
import { html, Html, table, type Part } from './html.ts';
import { page } from './page.ts';

export interface ReportedRun {
  readonly detail: RunDetail;
  readonly trials: readonly Trial[];
  readonly metrics: readonly Metric[];
  readonly costOrigin: string; // where latency and energy come from
}

/** More points than this only make the file large: of longer series every so many-th is drawn. */
const mostPoints = 1500;

export function runsReport(runs: readonly ReportedRun[]): string {
  const [first] = runs;
  if (!first) throw new Error('a report is of at least one run');
  const title = runs.length === 1 ? first.detail.summary.name : `${String(runs.length)} runs side by side`;
  const looks = runLooks(runs.map(({ detail }) => detail.summary.id));
  const drawn = runs.map((run, place) => ({
    ...run,
    id: run.detail.summary.id,
    look: looks[place] ?? { color: 'blue' as const, dash: [] },
    place,
  }));
  return page(title, [facts(drawn), results(drawn), policies(drawn), curves(drawn), tradeOff(drawn), decisions(drawn), settings(drawn)]);
}

interface Drawn extends ReportedRun {
  readonly id: string;
  readonly look: RunLook;
  readonly place: number;
}

/** A run's sign in a legend: its line with its dash. */
function sign({ color, dash }: RunLook): Html {
  return new Html(
    `<svg viewBox="0 0 22 10" aria-hidden="true"><path d="M1 5h20" fill="none" stroke="var(--series-${color})" stroke-width="2" stroke-dasharray="${dash.join(' ')}"/></svg>`,
  );
}

const legendOf = (runs: readonly Drawn[]): Part => runs.map(({ id, look }) => html`<span class="key">${sign(look)}${id}</span>`);

function facts(runs: readonly Drawn[]): Html {
  return table({
    head: ['Run', 'Name', 'Status', 'Method', 'Network', 'Data set', 'Target', 'Budget', 'Seed', 'Begun'],
    rows: runs.map(({ detail: { summary }, look }) => [
      html`<span class="key">${sign(look)}<code>${summary.id}</code></span>`,
      summary.name,
      summary.error === null ? summary.status : `${summary.status}: ${summary.error}`,
      summary.method,
      summary.network,
      summary.dataset,
      summary.target ?? 'none',
      summary.budgets.map(budgetText).join(', '),
      summary.seed,
      dateTime(summary.startedAtMs),
    ]),
  });
}

const origins: Readonly<Record<string, string>> = {
  testAccuracy: 'measured once on the test split',
  validationAccuracy: 'measured on the validation images',
  gain: 'difference on the test split, to the best uniform one within the budget',
  integerTestAccuracy: 'measured on the test split in integer arithmetic',
  tunedTestAccuracy: 'measured on the test split behind fine-tuning',
  sizeBytes: 'counted',
  macs: 'counted, one image',
  params: 'counted',
  trials: 'counted',
  seconds: 'the clock of this machine',
};

function results(runs: readonly Drawn[]): Part {
  const rows = resultRows(runs.map(({ detail }) => detail));
  if (rows.length === 0)
    return html`<h2>Results</h2>
      <p>None yet.</p>`;
  const costOrigin = [...new Set(runs.map((run) => run.costOrigin))].join('; ');
  return html`<h2>Results</h2>
    ${table({
      head: ['Result', ...runs.map(({ id }) => id), 'Origin'],
      numbers: runs.map((_, place) => place + 1),
      rows: rows.map((row) => {
        const best = bestPlaces(row);
        return [
          row.unit === '' ? row.label : `${row.label}, ${row.unit}`,
          ...row.values.map((value, place) =>
            best.includes(place) ? html`<span class="best">${figureText(value, row.kind)} ▲</span>` : figureText(value, row.kind),
          ),
          origins[row.id] ?? costOrigin,
        ];
      }),
    })}`;
}

/** Every policy that a single run measured. */
function policies(runs: readonly Drawn[]): Part {
  const [only] = runs;
  if (!only || runs.length > 1 || only.detail.solutions.length === 0) return null;
  return html`<h2>What was found, and what it is compared with</h2>
    ${table({
      head: ['', 'Within budget', 'Test, %', 'Validation, %', 'Latency, ms', 'Energy, mJ', 'Size'],
      numbers: [2, 3, 4, 5, 6],
      rows: only.detail.solutions.map((solution) => [
        solution.role === 'best' ? 'found' : solution.label,
        solution.role === 'float' ? '' : solution.withinBudget ? 'yes' : 'no',
        percent(solution.testAccuracy),
        percent(solution.validationAccuracy),
        ms(solution.latencyMs),
        millijoules(solution.energyMj),
        bytes(solution.sizeBytes),
      ]),
    })}
    <p class="muted">
      Latency and energy: ${only.costOrigin}, a batch of ${'batch' in only.detail.manifest ? only.detail.manifest.batch : 1}.
    </p>`;
}

function every<T>(list: readonly T[]): readonly T[] {
  const stride = Math.ceil(list.length / mostPoints);
  return stride <= 1 ? list : list.filter((_, i) => i % stride === 0 || i === list.length - 1);
}

/** The value at the highest reward so far. */
function bestSoFar(trials: readonly Trial[], of: (trial: Trial) => number): [number, number][] {
  let best: Trial | null = null;
  return trials.map((trial) => {
    if (best === null || trial.reward > best.reward) best = trial;
    return [trial.step, of(best)];
  });
}

function curves(runs: readonly Drawn[]): Part {
  const chart = (
    title: string,
    xLabel: string,
    yLabel: string,
    kind: DrawnSeries['kind'],
    pointsOf: (run: Drawn) => readonly (readonly [number, number])[],
  ): Part => {
    const series = runs.flatMap((run): DrawnSeries[] => {
      const points = every(pointsOf(run));
      return points.length === 0 ? [] : [{ id: run.id, color: run.look.color, dash: run.look.dash, kind, points }];
    });
    return series.length === 0 ? null : figure(title, linesOption({ xLabel, yLabel, series }, pageColors), legendOf(runs));
  };
  const metric =
    (name: string, scale: number) =>
    (run: Drawn): [number, number][] =>
      run.metrics.filter(({ series }) => series === name).map(({ step, value }) => [step, value * scale]);
  const drawn = [
    chart('Accuracy of the best trial so far', 'trial', 'accuracy on the reward images, %', 'step', ({ trials }) =>
      bestSoFar(trials, ({ accuracy }) => accuracy * 100),
    ),
    chart('Reward of the best trial so far', 'trial', 'reward', 'step', ({ trials }) => bestSoFar(trials, ({ reward }) => reward)),
    chart('Training loss', 'step', 'cross-entropy', 'line', metric('train/loss', 1)),
    chart('Validation accuracy of the float network', 'step', 'accuracy, %', 'line', metric('validation/accuracy', 100)),
  ].filter((part) => part !== null);
  return drawn.length === 0
    ? null
    : html`<h2>Curves</h2>
        ${drawn}`;
}

function tradeOff(runs: readonly Drawn[]): Part {
  const candidates = runs.flatMap(({ id, trials }) => trialCandidates(id, trials));
  const cost = candidates.some(({ values }) => values.latencyMs !== null) ? 'latencyMs' : 'macs';
  const { feasible, front, knee } = weigh(candidates, [cost, 'accuracy'], {});
  if (front.length < 2) return null;
  const point = (place: number): readonly [number, number] => {
    const { values } = candidates[place] ?? { values: { [cost]: Number.NaN, accuracy: Number.NaN } };
    return [(values[cost] ?? Number.NaN) / objectives[cost].scale, (values.accuracy ?? Number.NaN) * 100];
  };
  const xLabel = `${objectives[cost].label}, ${objectives[cost].unit}`;
  const option = scatterOption(
    {
      xLabel,
      yLabel: 'accuracy, %',
      runs: runs.map(({ id, look, place }) => ({
        id,
        color: look.color,
        marker: markerOf(place),
        points: every(feasible.filter((at) => candidates[at]?.run === id)).map(point),
      })),
      front: front.map(point),
    },
    pageColors,
  );
  const at = knee === null ? undefined : candidates[knee];
  return html`<h2>Trade-off</h2>
    ${figure(`Accuracy against ${objectives[cost].label} of all trials`, option, legendOf(runs))}
    <p class="muted">
      ${front.length} of ${candidates.length} trials are on the dashed front, which no other trial
      beats.${at ? ` Its knee is ${at.label} of ${at.run}.` : ''}
    </p>`;
}

function decisions(runs: readonly Drawn[]): Part {
  const sections = policySections(runs.map(({ detail }) => ({ detail, trial: null })));
  return sections.map(
    (section) =>
      html`<h2>${section.title}</h2>
        ${sectionChart(section, runs)}${sectionTable(section, runs)}`,
  );
}

function sectionChart(section: PolicySection, runs: readonly Drawn[]): Part {
  if (section.id === 'candidate') return null;
  const drawn = runs.map(({ id, look, place }) => ({
    id,
    ...look,
    marker: markerOf(place),
    values: section.rows.map(({ values }) => values[place]),
  }));
  const option = decisionsOption({ unit: section.unit, layers: section.rows.map(({ layer }) => layer), runs: drawn }, pageColors);
  return figure(`${section.title}, layer by layer`, option, legendOf(runs), { width: 1000, height: 260 });
}

function sectionTable(section: PolicySection, runs: readonly Drawn[]): Part {
  const shown = runs.length === 1 ? section.rows : section.rows.filter(({ differs }) => differs);
  if (shown.length === 0) return html`<p>All layers are decided alike.</p>`;
  return [
    table({
      head: ['Layer', ...runs.map(({ id }) => (section.unit === '' ? id : `${id}, ${section.unit}`))],
      numbers: runs.map((_, place) => place + 1),
      rows: shown.map(({ layer, values }) => [layer, ...values.map((value) => value ?? '—')]),
    }),
    runs.length === 1 ? null : html`<p class="muted">The ${shown.length} of ${section.rows.length} that differ.</p>`,
  ];
}

function settings(runs: readonly Drawn[]): Part {
  const rows = configRows(runs.map(({ detail }) => detail.manifest));
  const shown = runs.length === 1 ? rows : rows.filter(({ differs }) => differs);
  const note =
    runs.length === 1
      ? 'The whole manifest: all that decides the result.'
      : `${String(shown.length)} of ${String(rows.length)} settings differ.`;
  if (shown.length === 0)
    return html`<h2>Settings</h2>
      <p>All settings are the same.</p>`;
  return html`<h2>Settings</h2>
    <p class="muted">${note}</p>
    ${table({
      head: ['Setting', ...runs.map(({ id }) => id)],
      rows: shown.map(({ key, values }) => [
        html`<code>${key}</code>`,
        ...values.map((value) => (value === undefined ? '—' : html`<code>${String(value)}</code>`)),
      ]),
    })}`;
}
