import { describe, expect, it } from 'vitest';
import { Selection } from './selection.svelte.ts';

const order = ['a', 'b', 'c', 'd', 'e'];

describe('a selection', () => {
  it('extends from the last choice in the shown order, up and down, and keeps what was chosen before', () => {
    const selection = new Selection();
    selection.extend('nobody', order);
    expect(selection.size).toBe(0);
    selection.toggle('e');
    selection.toggle('c');
    selection.extend('a', order);
    expect([...selection.ids].sort()).toEqual(['a', 'b', 'c', 'e']);
    selection.extend('d', order); // still from c
    expect([...selection.ids].sort()).toEqual(order);
  });

  it('chooses one alone where the anchor is no longer shown, and forgets what has gone', () => {
    const selection = new Selection();
    selection.toggle('x');
    selection.extend('b', order);
    selection.extend('c', order);
    expect([...selection.ids].sort()).toEqual(['b', 'c', 'x']);
    const before = selection.ids;
    selection.retain(() => true);
    expect(selection.ids).toBe(before);
    selection.retain((id) => id !== 'x');
    expect([...selection.ids]).toEqual(['b', 'c']);
  });
});
