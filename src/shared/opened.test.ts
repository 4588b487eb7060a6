import { expect, it } from 'vitest';
import { openedText } from './opened.ts';

const run = { id: 'q-1', name: 'quantize mobilenet-v1' };

it('tells what a bundle brought, and what it did not', () => {
  expect(openedText({ run, added: true, newBlobs: 2, notes: [] })).toBe('opened: run q-1 (quantize mobilenet-v1), 2 new blobs');
  expect(openedText({ run, added: true, newBlobs: 1, notes: [] })).toContain(', 1 new blob');
  expect(openedText({ run, added: false, newBlobs: 0, notes: ['target mine was left as it is'] })).toBe(
    'opened: run q-1 (quantize mobilenet-v1), which was here already, no new blobs; target mine was left as it is',
  );
});
