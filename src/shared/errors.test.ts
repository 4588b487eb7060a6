import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeZodError, LatheError, longestMessage } from './errors.ts';

describe('a message that holds what a file holds', () => {
  it('has no control characters: no title of a terminal, no colour, no end of a text, no line of its own', () => {
    const { message } = new LatheError('bad-input', 'name \u001b]0;owned\u0007\u0000\u2028\u009b31m, of\ttwo\r\nlines');
    expect(message).toBe('name \\u001b]0;owned\\u0007\\u0000\\u2028\\u009b31m, of\ttwo lines');
  });

  it('is cut where it is too long for anybody', () => {
    const { message } = new LatheError('bad-input', 'x'.repeat(1e6));
    expect(message).toHaveLength(longestMessage);
    expect(message.endsWith('x ...')).toBe(true);
  });

  it('names the first findings of a schema, and how many there are more', () => {
    const { error } = z.array(z.number()).safeParse(Array.from({ length: 3000 }, () => 'a'));
    if (!error) throw new Error('expected a refusal');
    expect(describeZodError(error)).toMatch(/^0: .*; 11: [^;]*; and 2988 more$/);
  });
});
