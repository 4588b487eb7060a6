import { describe, expect, it, vi } from 'vitest';
import type { LatheClient } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { dispatch } from './dispatch.ts';

const answering = (call: (method: string, input: unknown) => unknown): LatheClient => ({
  call: (async (method: string, input: unknown) => call(method, input)) as LatheClient['call'],
  subscribe: () => () => undefined,
});
const silent = answering(() => {
  throw new Error('must not be called');
});

describe('dispatch', () => {
  it('refuses a method that does not exist and names the nearest one', async () => {
    const result = await dispatch(silent, 'run.lst', {});
    expect(result).toMatchObject({ ok: false, error: { code: 'bad-input' } });
    expect(JSON.stringify(result)).toContain('did you mean run.list?');
  });

  it.each(['constructor', '__proto__', 'toString', ''])('does not take the inherited name "%s" for a method', async (name) => {
    expect(await dispatch(silent, name, {})).toMatchObject({ ok: false, error: { code: 'bad-input' } });
  });

  it('refuses a wrong input before anything is called, naming the place', async () => {
    const result = await dispatch(silent, 'run.show', { id: 7 });
    expect(result).toMatchObject({ ok: false, error: { code: 'bad-input', message: expect.stringMatching(/^run\.show: id: /) as string } });
  });

  it('refuses keys that the contract does not know', async () => {
    expect(await dispatch(silent, 'run.show', { id: 'a', sql: 'drop' })).toMatchObject({ ok: false, error: { code: 'bad-input' } });
  });

  it('passes the input on with its defaults filled in', async () => {
    const call = vi.fn().mockReturnValue([]);
    expect(await dispatch(answering(call), 'run.trials', { id: 'a' })).toEqual({ ok: true, output: [] });
    expect(call).toHaveBeenCalledWith('run.trials', { id: 'a', fromStep: 0, limit: 2000 });
  });

  it('keeps the code and details of an error meant for a person', async () => {
    const report = vi.fn();
    const client = answering(() => {
      throw new LatheError('not-found', 'run a: unknown', { id: 'a' });
    });
    const error = { code: 'not-found', message: 'run a: unknown', details: { id: 'a' } };
    expect(await dispatch(client, 'run.show', { id: 'a' }, report)).toEqual({ ok: false, error });
    expect(report).not.toHaveBeenCalled();
  });

  it('marks a defect as internal and reports the thrown value itself', async () => {
    const defect = new TypeError('x is not a function');
    const report = vi.fn();
    const client = answering(() => {
      throw defect;
    });
    const error = { code: 'internal', message: 'x is not a function' };
    expect(await dispatch(client, 'run.list', {}, report)).toEqual({ ok: false, error });
    expect(report).toHaveBeenCalledWith(defect);
  });
});
