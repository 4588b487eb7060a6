import { describe, expect, it } from 'vitest';
import type { RunSummary } from '../../../shared/run.ts';
import { foldStages, stagesOf } from './stages.ts';

const run = (id: string, pipelines: readonly string[] = []): RunSummary => ({ id, pipelines }) as RunSummary;
const ids = (runs: readonly RunSummary[]): string[] => runs.map(({ id }) => id);

describe('stages of pipelines in the list', () => {
  const runs = [run('a'), run('p-1'), run('s-1', ['p-1']), run('s-2', ['p-1', 'p-2']), run('alone', ['gone']), run('p-2')];

  it('lie folded under their pipeline, and stand alone where no pipeline of theirs is shown', () => {
    expect(ids(foldStages(runs, new Set()))).toEqual(['a', 'p-1', 'alone', 'p-2']);
    expect(ids(foldStages([run('s-1', ['p-1'])], new Set()))).toEqual(['s-1']);
  });

  it('follow their pipeline in the order of its work, once, however the list is sorted', () => {
    expect(ids(foldStages(runs, new Set(['p-1'])))).toEqual(['a', 'p-1', 's-1', 's-2', 'alone', 'p-2']);
    expect(ids(foldStages(runs, new Set(['p-1', 'p-2'])))).toEqual(['a', 'p-1', 's-1', 's-2', 'alone', 'p-2']);
    expect(ids(foldStages([...runs].reverse(), new Set(['p-2'])))).toEqual(['p-2', 's-2', 'alone', 'p-1', 'a']);
  });

  it('are counted for each pipeline', () => {
    expect(Object.fromEntries([...stagesOf(runs)].map(([id, stages]) => [id, stages.length]))).toEqual({ 'p-1': 2, 'p-2': 1, gone: 1 });
  });
});
