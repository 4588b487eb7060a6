/** Files that once broke an importer, or made it say what nobody should read, each with the sentence that it must get. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { makeDataDir, removeDataDir } from '../support/service.ts';
import { requireRefusal } from './harness.ts';
import { importers } from './importers.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'hostile');

const sentences: Readonly<Record<string, readonly [importer: string, message: RegExp]>> = {
  'weights-of-another-version.bin': ['weights', /^checkpoint \w{12} cannot be read \(Unable to deserialize .*\); start the run again$/],
  'weights-of-a-terabyte.bin': ['weights', /^checkpoint \w{12} cannot be read \(its weights are not as they should be\)/],
  'header-with-zeros.csv': ['table as CSV', /^t\.csv: expected a header with key,mean, found \\u0000\\u0000,count,mean/],
  'field-with-zero.filter': ['filter', /^filter, character 1: there is no field created\\u0000; did you mean created\?$/],
  'no-json-on-two-lines.json': ['table as JSON', /^t\.json: not JSON: Unexpected token ':'/],
  'header-of-two-lines.csv': ['table of images', /list\.csv: the column path is missing; expected the header path,label/],
  'policy-of-3000-numbers.json': ['policy', /^policy .*policy\.json: kind: .*; layers\.10: [^;]*; and 2989 more$/],
  'network-with-a-tag.yaml': ["network's text", /^the network's (text|description): /],
};

let home = '';
const warnings: string[] = [];
const warned = (warning: Error): void => void warnings.push(warning.message);
beforeAll(async () => {
  home = await makeDataDir();
  process.on('warning', warned);
});
afterEach(() => {
  expect(warnings.splice(0)).toEqual([]); // a warning would carry the file's bytes to the terminal
});
afterAll(async () => {
  process.off('warning', warned);
  await removeDataDir(home);
});

it('each of them is in the list', () => {
  expect(Object.keys(sentences).sort()).toEqual(readdirSync(fixtures).sort());
});

it.each(Object.entries(sentences))('%s', async (file, [name, message]) => {
  const importer = importers.find((one) => one.name === name);
  if (!importer) throw new Error(`no importer ${name}`);
  let refusal: unknown = null;
  try {
    await importer.read(readFileSync(join(fixtures, file)), join(home, 'work'));
  } catch (error) {
    refusal = error;
  }
  requireRefusal(refusal, importer.refusals);
  expect(refusal.message).toMatch(message);
  await new Promise((resolve) => setImmediate(resolve)); // warnings come behind the work
});
