import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addressOf, targetOfArguments, targetOfLink } from './launch-targets.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'lathe-open-'));
  writeFileSync(join(folder, 'a net #1&x=y.onnx'), 'x');
  writeFileSync(join(folder, 'script.sh'), 'x');
  mkdirSync(join(folder, 'folder.onnx'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('what a start asks to see', () => {
  it.each([
    'lathe://run/../../etc/passwd',
    'lathe://run/q-abc?x=1',
    'lathe://run/q-abc#/system',
    'lathe://open?file=/etc/passwd',
    'lathe://run/<script>',
    'lathe:run/q-abc',
    'lathe://evil.example/run/q-abc',
    `lathe://run/q-${'a'.repeat(100)}`,
    'https://example.com/run/q-abc',
  ])('is nothing for the link %s', (link) => {
    expect(targetOfLink(link)).toBeNull();
    expect(targetOfArguments([link], folder)).toBeNull();
  });

  it('is no folder, no file of another kind, none that is not there, and no option', () => {
    for (const argument of ['folder.onnx', 'script.sh', 'gone.onnx', '--x=a.onnx', 'a\0.onnx', '']) {
      expect(targetOfArguments([argument], folder)).toBeNull();
    }
  });

  it('is a run by its link, and a network by its path from where the start was', () => {
    expect(targetOfArguments(['.', '--data-dir', '/x', 'lathe://run/q-ab12cd34'], folder)).toEqual({ kind: 'run', id: 'q-ab12cd34' });
    const target = targetOfArguments(['lathe', 'a net #1&x=y.onnx'], folder);
    expect(target).toEqual({ kind: 'network', path: join(folder, 'a net #1&x=y.onnx') });
    const address = addressOf(target);
    expect(address.startsWith('app://lathe/index.html#/networks?import=')).toBe(true);
    expect(new URLSearchParams(address.slice(address.indexOf('?') + 1)).get('import')).toBe(join(folder, 'a net #1&x=y.onnx'));
    expect(addressOf(null)).toBe('app://lathe/index.html');
    expect(addressOf({ kind: 'run', id: 'q-1' })).toBe('app://lathe/index.html#/runs/q-1');
  });
});
