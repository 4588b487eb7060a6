/**
 * What Lathe is made of: dist/sbom.cdx.json (CycloneDX, by npm) and dist/licences.md, of the packages that are shipped. Fails where
 * a package names no licence, or one that is not in the list below.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const allowed = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'Unlicense',
  'CC0-1.0',
  'Python-2.0',
]);
/** Linked at run time and not changed; their sources are public. */
const dynamic = new Set(['LGPL-3.0-or-later']);

const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
const { status, stdout, stderr } = spawnSync(npm, ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 2 ** 28,
  shell: process.platform === 'win32',
});
if (status !== 0) {
  process.stderr.write(`npm sbom failed: ${stderr}\n`);
  process.exit(1);
}
const sbom = JSON.parse(stdout);
const expressionOf = ({ licenses = [] }) =>
  licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name ?? '').join(' AND ');
/** An expression is fine when each of its ANDed parts is, of ORed ones any. */
const isFine = (text) =>
  text !== '' &&
  text
    .split(/\s+AND\s+/)
    .every((part) => part.split(/\s+OR\s+/).some((one) => [allowed, dynamic].some((list) => list.has(one.replace(/[()]/g, '').trim()))));
const rows = sbom.components.map((component) => ({ name: component.name, version: component.version, licence: expressionOf(component) }));
rows.sort((a, b) => (a.name < b.name ? -1 : 1));

mkdirSync(join(root, 'dist'), { recursive: true });
writeFileSync(join(root, 'dist', 'sbom.cdx.json'), `${JSON.stringify(sbom, null, 2)}\n`);
const table = rows.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`).join('\n');
writeFileSync(
  join(root, 'dist', 'licences.md'),
  `# Packages that Lathe ships\n\n| package | version | licence |\n|---|---|---|\n${table}\n`,
);
const bad = rows.filter(({ licence }) => !isFine(licence));
for (const { name, version, licence } of bad)
  process.stderr.write(`${name} ${version}: licence ${licence === '' ? 'not named' : licence}\n`);
process.stdout.write(`${rows.length} packages in dist/sbom.cdx.json and dist/licences.md\n`);
if (bad.length > 0) process.exitCode = 1;
