/** A process that fuzzes one importer: `child.ts IMPORTER FOLDER RUNS SEED`. FOLDER/last-file is what it reads; it prints its outcomes as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fuzz } from './harness.ts';
import { importers } from './importers.ts';

const [name = '', folder = '', runs = '', seed = ''] = process.argv.slice(2);
const importer = importers.find((one) => one.name === name);
if (!importer) throw new Error(`no importer ${name}`);
mkdirSync(join(folder, 'work'), { recursive: true });
let files = 0;
const outcomes = await fuzz(importer, {
  ...{ folder, runs: Number(runs), seed: Number(seed) },
  onFile: (bytes) => {
    writeFileSync(join(folder, 'last-file'), bytes); // what is left when the process dies of it
    files += 1;
    if (files % 100 === 0) process.stdout.write('.');
  },
});
process.stdout.write(`\n${JSON.stringify(outcomes)}\n`);
