import { expect, it } from 'vitest';
import { Refusals } from './refusals.ts';

it('an address that is refused 200 times in ten seconds is told to wait until they are over; others are not', () => {
  let nowMs = 0;
  const refusals = new Refusals(() => nowMs);
  for (let i = 0; i < 199; i++) refusals.add('a');
  expect(refusals.isTooMany('a')).toBe(false);
  refusals.add('a');
  expect([refusals.isTooMany('a'), refusals.isTooMany('b')]).toEqual([true, false]);
  nowMs = 9_999;
  expect(refusals.isTooMany('a')).toBe(true);
  nowMs = 10_000;
  expect(refusals.isTooMany('a')).toBe(false);
  refusals.add('a');
  expect(refusals.isTooMany('a')).toBe(false);
});
