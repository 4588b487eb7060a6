import { describe, expect, it } from 'vitest';
import { formatHash, parseHash } from './router.svelte.ts';

describe('hash routes', () => {
  it('take whatever is not a route for the home screen', () => {
    for (const hash of ['', '#', '#runs', 'nonsense', '#/']) expect(parseHash(hash)).toEqual({ path: [], query: new Map() });
    expect(parseHash('#/runs/%E0%A4%A').path).toEqual(['runs', '%E0%A4%A']); // broken escapes stay as they are
  });

  it('go to text and back', () => {
    const hash = formatHash(
      ['runs', 'a/b ü'],
      [
        ['tab', 'log'],
        ['filter', 'a&b=c'],
        ['star', ''],
      ],
    );
    expect(hash).toBe('#/runs/a%2Fb%20%C3%BC?tab=log&filter=a%26b%3Dc');
    expect(parseHash(hash)).toEqual({
      path: ['runs', 'a/b ü'],
      query: new Map([
        ['tab', 'log'],
        ['filter', 'a&b=c'],
      ]),
    });
  });
});
