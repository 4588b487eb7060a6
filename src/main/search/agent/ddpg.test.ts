import { describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { agentParametersSchema } from '../../../shared/run.ts';
import { createMlp } from '../../compute/index.ts';
import { Ddpg } from './ddpg.ts';

const options = agentParametersSchema.parse({ hiddenUnits: 32, actorLearningRate: 1e-3, criticLearningRate: 1e-2, batchSize: 32 });

/** One-step episodes whose reward is highest at action = target(state). */
function train(agent: Ddpg, episodes: number, target: (s: number) => number, random: Random): void {
  for (let episode = 0; episode < episodes; episode += 1) {
    const s = random.uniform();
    const state = Float32Array.of(s, 1);
    const action = agent.explore(state, episode < 50 ? null : 0.2);
    agent.observe({ states: [state], actions: [action], reward: -10 * (action - target(s)) ** 2 }, episode >= 50);
  }
}

describe('the agent', () => {
  it('learns an action that depends on the state', () => {
    const agent = new Ddpg(2, 2000, options, Random.fromSeed(3), createMlp);
    train(agent, 1500, (s) => 0.2 + 0.6 * s, Random.fromSeed(4));
    const low = agent.decide(Float32Array.of(0.1, 1));
    const high = agent.decide(Float32Array.of(0.9, 1));
    expect(Math.abs(low - 0.26)).toBeLessThan(0.12);
    expect(Math.abs(high - 0.74)).toBeLessThan(0.12);
  });

  it('explores within [0, 1], uniformly while warming up', () => {
    const agent = new Ddpg(2, 100, options, Random.fromSeed(5), createMlp);
    const state = Float32Array.of(0.5, 1);
    const actions = Array.from({ length: 2000 }, () => agent.explore(state, null));
    expect(Math.min(...actions)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...actions)).toBeLessThan(1);
    expect(Math.abs(actions.reduce((sum, a) => sum + a, 0) / actions.length - 0.5)).toBeLessThan(0.03);
    for (let i = 0; i < 200; i += 1) {
      const action = agent.explore(state, 5);
      expect(action >= 0 && action <= 1).toBe(true);
    }
  });

  it('restored from its state, goes on bit for bit', () => {
    const target = (s: number): number => s;
    const agent = new Ddpg(2, 500, options, Random.fromSeed(6), createMlp);
    train(agent, 100, target, Random.fromSeed(7));
    const saved = structuredClone(agent.save());
    train(agent, 60, target, Random.fromSeed(8));

    const copy = new Ddpg(2, 500, options, Random.fromSeed(99), createMlp);
    copy.restore(saved);
    train(copy, 60, target, Random.fromSeed(8));
    expect(copy.save()).toEqual(agent.save());
  });

  it('refuses an episode whose actions do not match its states', () => {
    const agent = new Ddpg(2, 100, options, Random.fromSeed(9), createMlp);
    expect(() => agent.observe({ states: [Float32Array.of(0, 0)], actions: [], reward: 0 }, false)).toThrow(/0 actions for 1 states/);
  });
});
