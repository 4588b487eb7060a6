/** The new-run form: what it refuses, what it says, and the request it makes. */
import { pruneParametersSchema } from '../../../shared/prune.ts';
import { specializeParametersSchema } from '../../../shared/specialize.ts';
import { describe, expect, it } from 'vitest';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import { quantizeManifestSchema, quantizeParametersSchema, runRequestSchema, trainingParametersSchema } from '../../../shared/run.ts';
import type { Cost } from '../../../shared/policy.ts';
import { impossible, marksOf, mostPreciseUniform, rangeOf, type Preview } from './budgets.ts';
import { RunForm } from './form.svelte.ts';
import { parameters, problemOf, type Group, type Parameter } from './parameters.ts';

const cost = (latencyMs: number, sizeBytes: number): Cost => ({ latencyMs, sizeBytes, energyMj: null, macs: 1 });
const preview: Preview = {
  network: 'n',
  batch: 16,
  reference: cost(20, 8000),
  least: cost(5, 2000),
  uniform: [8, 6, 4, 2].map((bits) => ({
    ...cost(2.5 * bits, 1000 * bits),
    label: `w${String(bits)}a${String(bits)}`,
    weightBits: bits,
    activationBits: bits,
  })),
};
const dataset = { id: 'generated', title: 'Generated shapes', available: true, train: 8000 } as DatasetInfo;

function filled(): RunForm {
  const form = new RunForm({
    training: trainingParametersSchema.parse({}),
    quantize: quantizeParametersSchema.parse({}),
    prune: pruneParametersSchema.parse({}),
    specialize: specializeParametersSchema.parse({}),
  });
  form.networkId = 'mobilenet-v1';
  form.width = '0.25';
  form.datasetId = 'generated';
  form.targetId = 'bismo-cloud';
  form.preview = preview;
  return form;
}
function parameter(group: Group, key: string): Parameter {
  const found = parameters[group].find((p) => p.key === key);
  if (!found) throw new Error(`no parameter ${key}`);
  return found;
}
const texts = (form: RunForm, set: DatasetInfo | null = dataset): string[] => form.problems(set).map((problem) => problem.text);

describe('a budget', () => {
  it('that no policy can meet is explained with the least possible', () => {
    const range = rangeOf(preview, 'latency');
    if (!range) throw new Error('no range');
    expect(impossible({ resource: 'latency', kind: 'fraction', value: 0.2 }, range)).toBe(
      'No policy can meet 4.000 ms (20.0 %): the least possible is 5.000 ms, 25.0 % of the 8-bit form.',
    );
    expect(impossible({ resource: 'latency', kind: 'absolute', value: 5 }, range)).toBeNull();
    expect(impossible({ resource: 'latency', kind: 'fraction', value: 0.25 }, range)).toBeNull();
  });

  it('on energy has no range where the target has no model of it', () => {
    expect(rangeOf(preview, 'energy')).toBeNull();
    const form = filled();
    form.addBudget('energy');
    expect(texts(form)).toEqual(['This target has no model of energy: remove this budget.']);
  });

  it('knows where the uniform policies lie and which of them meets all limits', () => {
    const range = rangeOf(preview, 'latency');
    if (!range) throw new Error('no range');
    expect(marksOf(preview, 'latency', range).map((mark) => [mark.label, mark.fraction])).toEqual([
      ['w8a8', 1],
      ['w6a6', 0.75],
      ['w4a4', 0.5],
      ['w2a2', 0.25],
    ]);
    const half = { resource: 'latency', kind: 'fraction', value: 0.5 } as const;
    expect(mostPreciseUniform(preview, [half])?.label).toBe('w4a4');
    expect(mostPreciseUniform(preview, [half, { resource: 'size', kind: 'absolute', value: 3999 }])?.label).toBe('w2a2');
    expect(mostPreciseUniform(preview, [{ resource: 'latency', kind: 'absolute', value: 4 }])).toBeNull();
  });
});

describe('the form', () => {
  it('names everything that keeps a run from starting', () => {
    const form = filled();
    form.width = '9';
    form.batch = '1.5';
    form.seed = '';
    form.threads = '0';
    form.setBudget(0, { resource: 'latency', kind: 'fraction', value: 0 });
    expect(texts(form, null)).toEqual([
      'Width: expected more than 0 and at most 4, found “9”.',
      'Data set: choose one.',
      'Batch: expected a whole number from 1 to 4096, found “1.5”.',
      'Budget on latency: expected more than 0.',
      'Seed: expected a whole number from 0 to 4294967295, found nothing.',
      'Threads: expected a whole number from 1 to 1024, found “0”.',
    ]);
  });

  it('refuses hyper-parameters outside the contract’s bounds, and says the bound', () => {
    expect(problemOf(parameter('training', 'epochs'), -1)).toBe('Epochs: expected at least 0, found -1.');
    expect(problemOf(parameter('training', 'epochs'), 1.5)).toBe('Epochs: expected a whole number, found 1.5.');
    expect(problemOf(parameter('training', 'learningRate'), 0)).toBe('Learning rate: expected more than 0, found 0.');
    expect(problemOf(parameter('search', 'maximumBits'), 9)).toBe('Most bits: expected at most 8, found 9.');
    expect(problemOf(parameter('training', 'epochs'), 4)).toBeNull();
    const form = filled();
    form.type(parameter('agent', 'tau'), 'fast');
    expect(texts(form)).toEqual(['Soft update: expected a number, found “fast”.']);
  });

  it('refuses settings that contradict each other', () => {
    const form = filled();
    form.type(parameter('search', 'minimumBits'), '6');
    form.type(parameter('search', 'maximumBits'), '4');
    form.type(parameter('search', 'validationImages'), '8000');
    form.type(parameter('search', 'rewardImages'), '9000');
    form.type(parameter('search', 'calibrationImages'), '100');
    expect(texts(form)).toEqual([
      'Fewest bits: more than the most bits.',
      'Reward images: more than the validation images they are taken from.',
      'Statistics images: expected 0, or from 2 up to the calibration images that they are taken from.',
      'Validation images: Generated shapes has 8000 training images, and some must be left to train on.',
    ]);
  });

  it('has nothing to say against its defaults, and then names only what differs from them', () => {
    const form = filled();
    expect(texts(form)).toEqual([]);
    form.type(parameter('search', 'trials'), '50');
    form.type(parameter('search', 'protectFirstAndLast'), 'false');
    form.type(parameter('agent', 'tau'), '0.05');
    form.type(parameter('training', 'epochs'), '4'); // its default
    expect(form.changedCount).toBe(3);
    const request = form.request();
    expect(request).toEqual({
      method: 'quantize',
      network: { id: 'mobilenet-v1', width: 0.25 },
      dataset: 'generated',
      seed: 1,
      target: 'bismo-cloud',
      budgets: [{ resource: 'latency', kind: 'fraction', value: 0.5 }],
      search: { trials: 50, protectFirstAndLast: false, agent: { tau: 0.05 } },
    });
    expect(runRequestSchema.parse(request)).toMatchObject({ search: { agent: { tau: 0.05, hiddenUnits: 300 } } });
  });

  it('asks for the run whose agent decides where the method is transfer, of bits and of channels', () => {
    for (const [method, group] of [
      ['quantize', 'search'],
      ['prune', 'prune'],
    ] as const) {
      const form = filled();
      form.method = method;
      form.agentRun = 'r1';
      expect(form.request()).not.toHaveProperty('agentRun'); // an agent that learns needs none
      form.type(parameter(group, 'method'), 'transfer');
      expect(texts(form)).toEqual([]);
      expect(form.request()).toMatchObject({ method, agentRun: 'r1', search: { method: 'transfer' } });
      form.agentRun = '';
      expect(texts(form)).toEqual(['Agent: choose the run whose agent decides.']);
    }
  });

  it('tells how many validation images a search asks for, and nothing where it does not', () => {
    const form = filled();
    expect(form.validationImages).toBeNull();
    form.type(parameter('search', 'validationImages'), '300');
    expect(form.validationImages).toBe(300);
    form.method = 'train';
    expect(form.validationImages).toBeNull();
  });

  it('asks for a training without target, budget or search', () => {
    const form = filled();
    form.method = 'train';
    form.setBudget(0, { resource: 'latency', kind: 'fraction', value: 0 }); // does not matter then
    expect(texts(form)).toEqual([]);
    expect(Object.keys(form.request()).sort()).toEqual(['dataset', 'method', 'network', 'seed']);
  });

  it('has a field and a line of explanation for every hyper-parameter of the contract', () => {
    const { agent, ...search } = quantizeParametersSchema.parse({});
    expect(parameters.search.map((p) => p.key).sort()).toEqual(Object.keys(search).sort());
    expect(parameters.agent.map((p) => p.key).sort()).toEqual(Object.keys(agent).sort());
    expect(parameters.training.map((p) => p.key).sort()).toEqual(Object.keys(trainingParametersSchema.parse({})).sort());
    const { agent: _agent, groups: _groups, ...prune } = pruneParametersSchema.parse({});
    expect(parameters.prune.map((p) => p.key).sort()).toEqual(Object.keys(prune).sort());
    for (const p of [...parameters.search, ...parameters.prune, ...parameters.agent, ...parameters.training])
      expect(p.explain).toMatch(/^[A-Z].*\.$/);
  });

  it('makes the same settings again from another run’s manifest', () => {
    const form = filled();
    const hash = 'a'.repeat(64);
    const manifest = quantizeManifestSchema.parse({
      method: 'quantize',
      formatVersion: 1,
      network: { id: 'mobilenet-v1', width: 0.5, inputSize: 32, inputChannels: 3, classes: 10, stem: 'small' },
      networkSha256: hash,
      dataset: 'generated',
      datasetSha256: hash,
      validation: { images: 1000, seed: 1 },
      training: { ...trainingParametersSchema.parse({}), epochs: 9 },
      seed: 77,
      threads: 3,
      versions: {},
      target: 'bismo-cloud',
      targetSha256: hash,
      batch: 8,
      budgets: [{ resource: 'size', kind: 'absolute', value: 5000 }],
      search: { ...quantizeParametersSchema.parse({}), trials: 33 },
    });
    form.fill(manifest, 'again');
    expect(texts(form)).toEqual([]);
    expect(form.request()).toMatchObject({
      network: { id: 'mobilenet-v1', width: 0.5 },
      seed: 77,
      threads: 3,
      batch: 8,
      note: 'again',
      budgets: [{ resource: 'size', kind: 'absolute', value: 5000 }],
      training: { epochs: 9 },
      search: { trials: 33 },
    });
  });
});
