/** A process that is killed while it writes loses nothing that the store has acknowledged, and the next one goes on. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { makeDataDir, removeDataDir } from '../support/service.ts';
import { expectWhole, openWhatIsLeft, writeUntilKilled } from './store-kill.ts';

const id = 'q-killed';
let dataDir: string;
beforeEach(async () => {
  dataDir = await makeDataDir();
});
afterEach(() => removeDataDir(dataDir));

describe('a writer that is killed', () => {
  it('at 8 random moments loses nothing acknowledged, and continues from its checkpoint each time', async () => {
    const random = Random.fromSeed(8);
    let total = 0;
    let begin = 0;
    for (let kill = 0; kill < 8; kill++) {
      const acknowledged = await writeUntilKilled(dataDir, id, { afterMs: 100 + 300 * random.uniform() });
      expect(acknowledged.from).toBe(begin);
      const left = await openWhatIsLeft(dataDir, id);
      expectWhole(acknowledged, left);
      begin = left.detail.checkpoint?.step ?? 0;
      total += acknowledged.step + 1 - acknowledged.from;
    }
    expect(total).toBeGreaterThan(50); // or it was killed before it wrote
  }, 300_000);

  it.each(['before-commit:9', 'after-commit:9', 'before-rename:2', 'after-rename:2'])(
    'at %s leaves all of a batch or nothing',
    async (failpoint) => {
      const acknowledged = await writeUntilKilled(dataDir, id, { failpoint });
      // Writes 1 to 3 make, claim and rewind the run; so the 9th is that of step 5. The 2nd blob is that of step 9.
      const expected = { 'before-commit:9': 5, 'after-commit:9': 6, 'before-rename:2': 9, 'after-rename:2': 9 }[failpoint] ?? NaN;
      expect(acknowledged.step + 1).toBe(failpoint === 'after-commit:9' ? 5 : expected);
      const left = await openWhatIsLeft(dataDir, id);
      expect(left.trials).toHaveLength(expected);
      expectWhole(acknowledged, left);
      expect(left.detail.checkpoint?.step).toBe(5);
      const blobs = readdirSync(join(dataDir, 'blobs'), { recursive: true, encoding: 'utf8' }).filter((name) => /[0-9a-f]{64}$/.test(name));
      expect(blobs).toHaveLength(failpoint === 'after-rename:2' ? 2 : 1);

      const next = await writeUntilKilled(dataDir, id, { afterMs: 100 });
      expect(next.from).toBe(5);
      expectWhole(next, await openWhatIsLeft(dataDir, id));
    },
  );

  it('leaves a database whose log is folded into it by the next one', async () => {
    await writeUntilKilled(dataDir, id, { afterMs: 100 });
    expect(existsSync(join(dataDir, 'lathe.sqlite-wal'))).toBe(true);
    await openWhatIsLeft(dataDir, id);
    expect(existsSync(join(dataDir, 'lathe.sqlite-wal'))).toBe(false);
  });
});
