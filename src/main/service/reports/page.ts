/**
 * A report as one file that needs nothing else: its style is in it and allowed by its hash alone, so it opens under a policy that
 * forbids everything from outside, scripts included. Light or dark as the reader's system; on paper always light.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dateTime } from '../../../shared/format.ts';
import { findResources } from '../../hardware/targets.ts';
import { latheVersion } from '../../engine/build.ts';
import { escapeHtml, Html, html, type Part } from './html.ts';

const layout = `
*{box-sizing:border-box}
body{margin:0 auto;padding:24px;max-width:1100px;background:var(--background);color:var(--text);font:var(--size)/20px var(--font);font-variant-numeric:tabular-nums}
h1{margin:0 0 4px;font-size:20px;line-height:28px}
h2{margin:28px 0 8px;font-size:15px}
p{margin:4px 0 8px}
a{color:var(--accent)}
.muted,figcaption{color:var(--muted)}
figcaption b{margin-right:12px;color:var(--text)}
.wide{overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:6px}
table{width:100%;border-collapse:collapse}
th,td{padding:4px 12px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
tbody tr:last-child th,tbody tr:last-child td{border-bottom:0}
th{font-weight:500}
thead th{color:var(--muted);font-size:var(--size-small)}
.number{text-align:right;white-space:nowrap}
.best{font-weight:600}
figure{margin:8px 0;padding:8px 12px;background:var(--surface);border:1px solid var(--line);border-radius:6px;break-inside:avoid}
figure svg{display:block;width:100%;height:auto;font-family:var(--font)}
.key{display:inline-block;margin-right:12px;white-space:nowrap}
.key svg{display:inline;width:22px;height:10px;margin-right:4px}
code{font:var(--size-small) var(--mono);overflow-wrap:anywhere}
footer{margin-top:32px;color:var(--muted)}
@media print{body{max-width:none;padding:0}h2{break-after:avoid}tr{break-inside:avoid}.wide{overflow:visible}}
`;

/** The interface's own colours: dark ones where the reader's system is dark, and only on a screen. */
function tokens(): string {
  const text = readFileSync(join(findResources(import.meta.dirname), 'tokens.css'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const dark = /:root\[data-theme='dark'\]\s*(\{[\s\S]*?\})/.exec(text);
  if (!dark) throw new Error('resources/tokens.css has no colours for dark; reports need them');
  return `${text.slice(0, dark.index)}@media screen and (prefers-color-scheme:dark){:root${dark[1] ?? ''}}`;
}

/** The whole document. */
export function page(title: string, body: Part): string {
  const style = `${tokens()}${layout}`;
  const hash = createHash('sha256').update(style).digest('base64');
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
${new Html(`<style>${style}</style>`).text}
</head>
<body>
${
  html`<h1>${title}</h1>
    ${body}
    <footer>
      Made by Lathe ${latheVersion} at ${dateTime(Date.now())}. Figures carry their unit and where they come from; accuracies are of the
      split that is named.
    </footer>`.text
}
</body>
</html>
`;
}
