import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { listFolder } from './files.ts';

const folder = mkdtempSync(join(tmpdir(), 'lathe-files-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('listing a folder', () => {
  it('is refused with one sentence for what is none', async () => {
    await expect(listFolder(join(folder, 'none'))).rejects.toThrow(`${join(folder, 'none')}: there is no such`);
    writeFileSync(join(folder, 'labels.csv'), '');
    await expect(listFolder(join(folder, 'labels.csv'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it('gives folders first, in the order of a person, without hidden ones, and where to go up', async () => {
    for (const name of ['img10', 'img2', '.hidden']) mkdirSync(join(folder, name));
    const { path, parent, entries, more } = await listFolder(folder);
    expect([path, parent, more]).toEqual([folder, dirname(folder), false]);
    expect(entries.map(({ name, isFolder }) => [name, isFolder])).toEqual([
      ['img2', true],
      ['img10', true],
      ['labels.csv', false],
    ]);
    expect((await listFolder('/')).parent).toBeNull();
  });

  it('stops at 500 entries and says so', async () => {
    const many = join(folder, 'many');
    mkdirSync(many);
    for (let at = 0; at < 501; at += 1) writeFileSync(join(many, `${String(at)}.jpg`), '');
    const { entries, more } = await listFolder(many);
    expect([entries.length, more]).toEqual([500, true]);
  });
});
