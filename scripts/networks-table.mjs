// Writes the table of the zoo into docs/networks.md, between its two marks; without --write it prints the table.
import { readFileSync, writeFileSync } from 'node:fs';
import { zooTable } from '../src/main/network/zoo-table.ts';

const path = new URL('../docs/networks.md', import.meta.url);
if (process.argv.includes('--write')) {
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(/(<!-- zoo -->\n)[^]*(<!-- \/zoo -->)/, `$1\n${zooTable()}\n$2`));
} else {
  process.stdout.write(zooTable());
}
