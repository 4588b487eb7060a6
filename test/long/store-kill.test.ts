/** As test/crash/store-kill.test.ts, with many more kills. */
import { expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { expectWhole, openWhatIsLeft, writeUntilKilled } from '../crash/store-kill.ts';
import { makeDataDir, removeDataDir } from '../support/service.ts';

it('a writer that is killed 60 times loses nothing acknowledged', async () => {
  const random = Random.fromSeed(60);
  const dataDir = await makeDataDir();
  try {
    let begin = 0;
    for (let kill = 0; kill < 60; kill++) {
      const acknowledged = await writeUntilKilled(dataDir, 'q-killed', { afterMs: 400 * random.uniform() });
      expect(acknowledged.from).toBe(begin);
      const left = await openWhatIsLeft(dataDir, 'q-killed');
      expectWhole(acknowledged, left);
      begin = left.detail.checkpoint?.step ?? 0;
    }
    expect(begin).toBeGreaterThan(300); // or it was killed before it wrote
  } finally {
    await removeDataDir(dataDir);
  }
});
