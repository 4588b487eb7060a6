/** Reports hold what was measured, and nothing that a page could be made to fetch or to run. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { runDetail, solution, trial } from '../../../../test/support/store-samples.ts';
import { escapeHtml, html } from './html.ts';
import { runsReport, type ReportedRun } from './run-report.ts';
import { studyReport } from './study-report.ts';

const run = (id: string, name = `run ${id}`): ReportedRun => {
  const detail = runDetail(id, { solutions: [solution('best', 'found', { testAccuracy: 0.8765, validationAccuracy: 0.9 })] });
  return {
    detail: { ...detail, summary: { ...detail.summary, name } },
    trials: [0, 1, 2, 3].map((step) => trial(step)),
    metrics: [0, 1].map((step) => ({ series: 'train/loss', step, value: 2 - step })),
    costOrigin: 'simulated, exact',
  };
};

describe('a report', () => {
  it('is text where it comes from outside: a name with tags stays a name', () => {
    expect(escapeHtml(`<b a="1">'&`)).toBe('&lt;b a=&quot;1&quot;&gt;&#39;&amp;');
    expect(html`<p>${'<x>'}${html`<i>${1}</i>`}${null}${['&', 2]}</p>`.text).toBe('<p>&lt;x&gt;<i>1</i>&amp;2</p>');
    const report = runsReport([run('a', '</title><script>alert(1)</script>')]);
    expect(report).not.toContain('<script');
    expect(report).toContain('&lt;script&gt;alert(1)');
  });

  it('needs nothing else: no reference, no script, no style but the one that its policy names by hash', () => {
    for (const report of [runsReport([run('a')]), runsReport([run('a'), run('b')])]) {
      expect(report.match(/(?:src|href)\s*=|@import|url\((?!#)/g)).toBeNull();
      expect(report).not.toMatch(/ style=|<script|http-equiv="refresh"/i);
      const [style, ...others] = [...report.matchAll(/<style[^>]*>([\s\S]*?)<\/style>/g)].map((match) => match[1] ?? '');
      expect(others).toEqual([]);
      expect(report).toContain(
        `style-src 'sha256-${createHash('sha256')
          .update(style ?? '')
          .digest('base64')}'`,
      );
      expect(style).toContain('prefers-color-scheme:dark');
    }
  });

  it('has results with unit and origin, charts as SVG with a name, and the whole manifest', () => {
    const report = runsReport([run('a')]);
    expect(report).toContain('Test accuracy, %');
    expect(report).toContain('87.65');
    expect(report).toContain('simulated, exact');
    expect(report.match(/<svg [^>]*role="img" aria-label="[^"]+"/g)?.length).toBeGreaterThanOrEqual(4);
    expect(report).toContain('search.rewardImages');
  });

  it('of a study has its tables and its runs', () => {
    const report = studyReport({
      study: {
        id: 'st-1',
        kind: 'table-5',
        title: 'T <5>',
        preset: 'quick',
        createdAtMs: 0,
        cells: [{ labels: { seed: '1' }, run: 'q-1', status: 'failed', name: 'n', error: 'no room' }],
        done: 0,
      },
      tables: [
        {
          title: 'Latency',
          columns: [
            { label: 'policy', kind: 'text' },
            { label: 'on x (ms)', kind: 'ms' },
          ],
          rows: [['p', 12.345678]],
          notes: ['a note'],
        },
      ],
    });
    for (const part of ['T &lt;5&gt;', '12.35', 'a note', 'failed: no room']) expect(report).toContain(part);
  });
});
