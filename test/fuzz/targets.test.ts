/** Bytes of valid target files, changed at random: a target or one sentence each time. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LatheError } from '../../src/shared/errors.ts';
import { parseTarget } from '../../src/main/hardware/targets.ts';
import { mutated } from '../support/mutate.ts';

const folder = join(import.meta.dirname, '..', '..', 'resources', 'targets');

it('a target file with changed bytes is a target or is refused', () => {
  let refused = 0;
  for (const name of readdirSync(folder).filter((one) => one.endsWith('.json'))) {
    fc.assert(
      fc.property(mutated(readFileSync(join(folder, name))), (bytes) => {
        try {
          parseTarget(name, Buffer.from(bytes).toString('utf8'));
        } catch (error) {
          if (!(error instanceof LatheError)) throw error;
          expect(error.code).toBe('corrupt');
          refused += 1;
        }
      }),
      { numRuns: 100, seed: 3 },
    );
  }
  expect(refused).toBeGreaterThan(100);
});
