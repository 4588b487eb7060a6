/** The form of a pipeline: what keeps it from starting, the limits it shows, and its request. */
import { describe, expect, it } from 'vitest';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import { pipelineRequestSchema } from '../../../shared/run.ts';
import { choiceOf, limitsOf, problemsOf, requestOf, type PipelineChoice, type PipelinePreview } from './pipeline.ts';

const dataset = { id: 'generated', title: 'Generated', available: true } as DatasetInfo;
const preview: PipelinePreview = { batch: 16, reference: { latencyMs: 8, energyMj: null, sizeBytes: 100, macs: 10 } };
const choice: PipelineChoice = {
  network: 'mobilenet-v1',
  width: '0.25',
  dataset: 'generated',
  target: 'bismo-cloud',
  resource: 'latency',
  percent: '12.5',
  stages: ['quantize', 'specialize', 'prune'],
  space: '',
  ownBudgets: {},
  rivals: ['reference'],
  numbers: { pruneTrials: '40', epochs: '2' },
  seed: '1',
  note: '',
};
const texts = (change: Partial<PipelineChoice>): string[] => problemsOf({ ...choice, ...change }, preview, dataset).map(({ text }) => text);

describe('the form of a pipeline', () => {
  it('says what keeps it from starting', () => {
    expect(texts({})).toEqual([]);
    expect(texts({ percent: '0' })).toEqual(['Budget: expected more than 0 and at most 100 %, found “0”.']);
    expect(texts({ percent: '120' })).toHaveLength(1);
    expect(texts({ stages: [] })).toEqual(['Stages: choose at least one.']);
    expect(texts({ resource: 'energy' })).toEqual(['Budget: this target has no energy model; choose latency.']);
    expect(texts({ numbers: { searchEpochs: '0' } })).toEqual(['Search epochs: expected a whole number of at least 1, found “0”.']);
    expect(texts({ seed: 'x' })).toHaveLength(1);
  });

  it('shows the limit of each stage, in the order of the stages', () => {
    expect(limitsOf(choice, null)).toEqual([]);
    expect(limitsOf(choice, preview).map(({ stage, limit }) => [stage, Number(limit.toFixed(9))])).toEqual([
      ['specialize', 4],
      ['prune', 2],
      ['quantize', 1],
    ]);
  });

  it('names in its request only what was chosen, and is filled from a manifest again', () => {
    const request = requestOf(choice);
    expect(request).toMatchObject({ network: { id: 'mobilenet-v1', width: 0.25 }, training: { epochs: 2 }, rivals: ['reference'] });
    const { stages } = pipelineRequestSchema.parse(request);
    expect(stages.prune).toEqual({ budgets: [], search: { trials: 40 }, tuning: {} });
    const network = { id: 'mobilenet-v1', width: 0.25, inputSize: 32, inputChannels: 3, classes: 10, stem: 'small' };
    const manifest = { ...pipelineRequestSchema.parse(request), network, training: { epochs: 2 } };
    const again = choiceOf(manifest as never, '');
    expect(again).toMatchObject({ percent: '12.5', width: '0.25', stages: ['specialize', 'prune', 'quantize'], numbers: choice.numbers });
    expect(again === null ? null : requestOf(again)).toEqual(request);
  });
});
