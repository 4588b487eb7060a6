import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { createModel } from '../../compute/index.ts';
import { couplingOf } from '../../network/coupling.ts';
import { initialParameters, toNativeProgram } from '../../network/program.ts';
import { maskValues } from '../../network/slice.ts';
import { stateOfValues, valuesOfState } from '../../network/values.ts';
import { resolveNetwork } from '../../network/zoo.ts';
import { decisionsOf, keptUnits } from './channels.ts';
import { orderOf, scoresOf } from './importance.ts';
import { channelMaker, weightMaker } from './makers.ts';
import { weightDecisionsOf } from './weights.ts';

const bounds = { minimumRatio: 0.1, maximumRatio: 1, roundTo: 1, groups: [] };

function trained(id: string, width: number) {
  const { graph } = resolveNetwork({ id, width, inputSize: 32, classes: 10 });
  const model = createModel(toNativeProgram(graph));
  const random = Random.fromSeed(4);
  const state = initialParameters(model.parameters, random);
  // Batch norms that are no identity, so that a channel left out by mistake is seen.
  for (const { role, offset, length } of model.parameters) {
    for (let i = offset; i < offset + length; i += 1) {
      if (role === 'gamma' || role === 'runningVariance') state[i] = 0.5 + random.uniform();
      if (role === 'beta' || role === 'runningMean') state[i] = random.uniform() - 0.5;
    }
  }
  model.setState(state);
  return { graph, model, state };
}

describe('a network without its least important channels', () => {
  it.each([
    ['mobilenet-v1', 0.25],
    ['mobilenet-v2', 0.25],
    ['resnet-20', 0.5],
  ] as const)('computes what the whole %s does with zeros on them', async (id, width) => {
    const { graph, model, state } = trained(id, width);
    const coupling = couplingOf(graph);
    const decisions = decisionsOf(graph, bounds, coupling);
    const counts = decisions.map(({ units }) => Math.ceil(units / 2));
    const maker = channelMaker({ graph, coupling, model, decisions, importance: 'l1', taylor: null, reconstruction: null });
    const values = valuesOfState(model.parameters, state);
    const orders = decisions.map(({ group }) => orderOf(scoresOf({ graph, coupling, values, taylor: null }, group, 'l1')));
    const masked = createModel(toNativeProgram(graph));
    const kept = keptUnits(decisions, counts, (decision) => orders[decision] ?? []);
    masked.setState(stateOfValues(masked.parameters, maskValues(graph, values, kept, coupling)));
    const pruned = await maker.make(counts);
    expect(pruned.graph.macs).toBeLessThan(0.5 * graph.macs);
    const random = Random.fromSeed(5);
    const inputs = Float32Array.from({ length: 2 * graph.inputShape.reduce((a, b) => a * b, 1) }, () => random.normal(0, 1));
    const [smaller, zeroed] = await Promise.all([pruned.model, masked].map((one) => one.forward({ inputs, batch: 2 })));
    const largest = Math.max(...(zeroed ?? []).map(Math.abs));
    expect(largest).toBeGreaterThan(0.01);
    smaller?.forEach((value, at) => expect(Math.abs(value - (zeroed?.[at] ?? NaN))).toBeLessThan(1e-5 * Math.max(1, largest)));
  });
});

describe('a network without its smallest weights', () => {
  it('keeps the largest of each layer as they are, and everything that is no weight', async () => {
    const { graph, model, state } = trained('resnet-20', 0.25);
    const decisions = weightDecisionsOf(graph, bounds);
    const counts = decisions.map(({ units }) => Math.ceil(units / 5));
    const { model: pruned } = await weightMaker({ graph, model, decisions }).make(counts);
    const [before, after] = [valuesOfState(model.parameters, state), valuesOfState(pruned.parameters, pruned.getState().parameters)];
    decisions.forEach(({ name }, t) => {
      const [old, now] = [before.get(name)?.['weight'] ?? [], after.get(name)?.['weight'] ?? new Float32Array()];
      const left = now.filter((value) => value !== 0);
      expect(left).toHaveLength(counts[t] ?? NaN);
      const least = Math.min(...left.map(Math.abs));
      now.forEach((value, at) => {
        expect(value === 0 ? Math.abs(old[at] ?? NaN) <= least : value === old[at]).toBe(true);
      });
    });
    for (const [name, roles] of before) {
      for (const role of Object.keys(roles).filter((one) => one !== 'weight')) expect(after.get(name)?.[role]).toEqual(roles[role]);
    }
  });
});
