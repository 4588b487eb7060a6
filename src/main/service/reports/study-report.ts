/** A study as a page: its tables with the published figures beside ours, and its runs. */
import { dateTime } from '../../../shared/format.ts';
import { studyCell } from '../../../shared/study-format.ts';
import type { StudyReport } from '../../../shared/study.ts';
import { html, table } from './html.ts';
import { page } from './page.ts';

export function studyReport({ study, tables }: StudyReport): string {
  const labelsOf = (labels: Readonly<Record<string, string>>): string =>
    Object.entries(labels)
      .map(([key, value]) => `${key} ${value}`)
      .join(', ');
  return page(study.title, [
    html`<p class="muted">
      Study <code>${study.id}</code>, ${study.preset === null ? study.kind : `${study.kind}, ${study.preset}`}, started
      ${dateTime(study.createdAtMs)}; ${study.done} of ${study.cells.length} runs are done.
    </p>`,
    tables.map(
      ({ title, columns, rows, notes }) =>
        html`<h2>${title}</h2>
          ${table({
            head: columns.map(({ label }) => label),
            numbers: columns.flatMap(({ kind }, i) => (kind === 'text' ? [] : [i])),
            rows: rows.map((row) => row.map((cell, i) => studyCell(cell, columns[i]?.kind ?? 'text'))),
          })}${notes.map((line) => html`<p class="muted">${line}</p>`)}`,
    ),
    html`<h2>Runs</h2>
      ${table({
        head: ['Run', 'In the grid', 'Name', 'Status'],
        rows: study.cells.map(({ run, labels, name, status, error }) => [
          html`<code>${run}</code>`,
          labelsOf(labels),
          name,
          error === null ? status : `${status}: ${error}`,
        ]),
      })}`,
  ]);
}
