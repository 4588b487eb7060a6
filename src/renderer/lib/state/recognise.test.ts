import { describe, expect, it } from 'vitest';
import { recognise } from './recognise.ts';

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const kinds = (contents: readonly string[]): string[] => contents.map((content) => recognise(text(content)).kind);

describe('what a file is', () => {
  it('is said by its content: nothing, pictures and prose are not taken', () => {
    expect(kinds(['', 'just some words', '{"broken": ', '\0\0\0'])).toEqual(['unknown', 'unknown', 'unknown', 'unknown']);
    expect(recognise(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)).kind).toBe('unknown');
    expect(recognise(Uint8Array.of(0x08, 0xff, 0x12)).kind).toBe('unknown');
  });

  it('knows networks, policies alone and in an exported run, targets, and tables in three forms', () => {
    expect(recognise(Uint8Array.of(0x08, 0x08, 0x12, 0x07)).kind).toBe('network');
    const policy = { kind: 'quantize', layers: [{ name: 'conv1', weightBits: 4, activationBits: 8 }] };
    expect(recognise(text(JSON.stringify(policy)))).toEqual({ kind: 'policy', policy });
    expect(kinds([JSON.stringify({ run: {}, policy }), JSON.stringify({ best: { policy } })])).toEqual(['policy', 'policy']);
    expect(recognise(text('{"id": "mine", "law": "roofline"}'))).toEqual({ kind: 'target', form: 'json' });
    expect(recognise(text('# mine\nid: mine\nlaw: roofline\nclockMhz: 400\n'))).toEqual({ kind: 'target', form: 'yaml' });
    expect(recognise(Uint8Array.of(0x50, 0x4b, 0x03, 0x04, 0x14)).kind).toBe('bundle');
    expect(recognise(Uint8Array.of(0x50, 0x4b, 0x05, 0x06)).kind).toBe('unknown'); // a zip with nothing in it
    expect(kinds(['key,meanMs\nconv,1.5\n', 'expanded_conv-input:32x32:\n  mean: 0.4\n', '{"entries": []}'])).toEqual([
      'table',
      'table',
      'table',
    ]);
  });
});
