/** Canonical JSON: what it refuses, and one text for one value. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from './canonical.ts';

describe('canonicalJson', () => {
  it('refuses what JSON cannot say, and names the place', () => {
    expect(() => canonicalJson({ a: [1, Number.NaN] })).toThrow('a[1] is NaN');
    expect(() => canonicalJson({ a: { b: 1n } })).toThrow('a.b is of type bigint');
    expect(() => canonicalJson([undefined])).toThrow('[0] is of type undefined');
    expect(() => canonicalJson({ when: new Date(0) })).toThrow('when is neither a plain object nor an array');
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    expect(() => canonicalJson(cycle)).toThrow('self contains itself');
  });

  it('sorts keys by code unit at every depth and leaves undefined out', () => {
    expect(canonicalJson({ b: 1, a: { d: [3, { z: 0, y: -0 }], c: undefined }, B: 'x', é: null })).toBe(
      '{"B":"x","a":{"d":[3,{"y":0,"z":0}]},"b":1,"é":null}',
    );
    expect(canonicalJson({ x: 0.1, y: 1e21, z: 100 })).toBe('{"x":0.1,"y":1e+21,"z":100}');
  });

  it('gives one text for equal values, which reads back as the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        const again: unknown = JSON.parse(text);
        expect(canonicalJson(again)).toBe(text);
        expect(again).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
