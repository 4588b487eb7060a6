import { describe, expect, it } from 'vitest';
import type { Offer, Traded } from '../../shared/shared-trials.ts';
import { Helping, SharedMeasuring, type Values } from './measuring.ts';

const checkpoint = { phase: 'searching', step: 0, sha256: '0'.repeat(64) };
const candidates: Values[] = Array.from({ length: 20 }, (_, index) => [index]);
const square = async ([value = 0]: Values): Promise<Values> => await Promise.resolve([value * value, Number.NaN]);
const squares = candidates.map(([value = 0]) => [value * value, Number.NaN]);

function makeOwner(): { owner: SharedMeasuring; offers: Offer[] } {
  const offers: Offer[] = [];
  const owner = new SharedMeasuring(
    (offer) => offers.push(offer),
    () => 0,
  );
  owner.openFrom(checkpoint);
  return { owner, offers };
}

const text = (values: Values): string[] => values.map(String);

describe('measuring that is shared', () => {
  it('is as without sharing where nobody helps, and says what it has to give while it has', async () => {
    const { owner, offers } = makeOwner();
    expect(await owner.all(candidates, square)).toEqual(squares);
    expect(offers.map(({ candidates: count }) => count)).toEqual([20, 0]);
    expect([...owner.close()]).toEqual([['this machine', 20]]);
  });

  it('measures again what a helper was given and does not bring back', async () => {
    const { owner } = makeOwner();
    let lost: Traded | null = null;
    const readings = await owner.all(candidates, async (candidate) => {
      lost ??= owner.trade({ by: 'lost', epoch: 0, readings: [] });
      return await square(candidate);
    });
    expect(lost).toMatchObject({ isOver: false, candidates: [{ index: 1 }, { index: 2 }] });
    expect(readings).toEqual(squares);
  });

  it('takes readings in any order and puts them in the order of the candidates, numbers that JSON has not included', async () => {
    const { owner } = makeOwner();
    const helper = new Helping(
      async (readings) => await Promise.resolve(owner.trade({ by: 'helper', epoch: 0, readings: [...readings].reverse() })),
    );
    const helping: Promise<void>[] = [];
    const readings = await owner.all(candidates, async (candidate) => {
      if (helping.length > 0) return await square(candidate);
      helping.push(helper.serve(square));
      await new Promise((resolve) => setImmediate(resolve)); // it is asked while this one is measured here
      return await square(candidate);
    });
    expect(readings).toEqual(squares);
    const measured = owner.close();
    expect((measured.get('helper') ?? 0) + (measured.get('this machine') ?? 0)).toBe(20);
    expect(measured.get('helper')).toBeGreaterThan(0);
    await Promise.all(helping); // its next question is answered by: it is over
  });

  it('refuses what a helper of an earlier checkpoint brings', async () => {
    const { owner } = makeOwner();
    owner.close();
    owner.openFrom(checkpoint);
    let answer: Traded | null = null;
    const readings = await owner.all(candidates, async (candidate) => {
      answer = owner.trade({ by: 'late', epoch: 0, readings: [{ index: 5, values: ['7'] }] });
      return await square(candidate);
    });
    expect(answer).toEqual({ isOver: true, candidates: [] });
    expect(readings).toEqual(squares);
  });

  it('fails where two machines read two things of one candidate', async () => {
    const { owner } = makeOwner();
    await expect(
      owner.all(candidates, async (candidate) => {
        owner.trade({ by: 'broken', epoch: 0, readings: [{ index: 0, values: text([1, 2]) }] });
        return await square(candidate);
      }),
    ).rejects.toThrow(/^candidate 0: this machine read 0 NaN, another machine 1 2; one of them computes wrongly/);
  });
});
