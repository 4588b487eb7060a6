/**
 * HAQ: hardware-aware automated quantization with mixed precision (Wang et al. 2019; Han et al., section 4). An agent decides
 * weight bits and activation bits of each layer; bits are lowered until the budgets hold; the accuracy of the quantized
 * network is the reward. Deviations from the released code are numbered in docs/algorithms/haq.md.
 */
import type { Budget, Cost } from '../../../shared/policy.ts';
import type { LayerInfo } from '../../../shared/network.ts';
import type { QuantizeParameters, Trial } from '../../../shared/run.ts';
import type { Random } from '../../../shared/random.ts';
import { Ddpg, type DdpgState, type MlpFactory } from '../agent/ddpg.ts';
import { actionToBits, enforceBudgets, lockedLayers, protectedBits, type BitVector, type CostFunction } from './bits.ts';
import { type Decision, LayerStates, stateSize } from './state.ts';

/** What the search asks of the world: two numbers about a policy. */
export interface QuantizeEnvironment {
  readonly layers: readonly LayerInfo[]; // the quantizable ones
  readonly costOf: CostFunction;
  /** Accuracy, 0..1, on the reward images (held out of training; never the test split). */
  accuracyOf(bits: BitVector): Promise<number>;
  /** Unix time in ms, for the record only. */
  now(): number;
}

/** A trial that may win. */
export interface Candidate {
  readonly step: number;
  readonly accuracy: number;
  readonly bits: BitVector;
  readonly cost: Cost;
}

export interface QuantizeSearchState {
  readonly agent: DdpgState;
  readonly nextStep: number;
  readonly bestReward: number | null;
  readonly finalists: readonly Candidate[];
}

export class QuantizeSearch {
  private readonly environment: QuantizeEnvironment;
  private readonly parameters: QuantizeParameters;
  private readonly limits: readonly Budget[];
  private readonly referenceAccuracy: number;
  private readonly locked: readonly boolean[];
  private readonly states: LayerStates;
  private readonly agent: Ddpg;
  private nextStep = 0;
  private bestReward: number | null = null;
  private finalists: readonly Candidate[] = [];

  /** `referenceAccuracy` is the float network's, on the reward images; `limits` are absolute and known to be feasible. */
  constructor(
    environment: QuantizeEnvironment,
    parameters: QuantizeParameters,
    limits: readonly Budget[],
    referenceAccuracy: number,
    random: Random,
    makeMlp: MlpFactory,
  ) {
    this.environment = environment;
    this.parameters = parameters;
    this.limits = limits;
    this.referenceAccuracy = referenceAccuracy;
    const layerCount = environment.layers.length;
    this.locked = lockedLayers(layerCount, parameters.protectFirstAndLast);
    this.states = new LayerStates(environment.layers);
    this.agent = new Ddpg(stateSize, parameters.agent.replayPerLayer * layerCount, parameters.agent, random, makeMlp);
  }

  get step(): number {
    return this.nextStep;
  }

  /** The best trials so far, best first; each a different policy. */
  get best(): readonly Candidate[] {
    return this.finalists;
  }

  /** One episode: decide all layers, enforce the budgets, measure, learn. */
  async trial(): Promise<Trial> {
    const { minimumBits, maximumBits, agent: options } = this.parameters;
    const step = this.nextStep;
    const noise = step < options.warmupTrials ? null : options.initialNoise * options.noiseDecay ** (step - options.warmupTrials);

    const states: Float32Array[] = [];
    const actions: number[] = [];
    let previousAction = 1; // as if 8 bits had been decided
    const decide = (layer: number, decision: Decision): number => {
      if (this.locked[layer] === true) return protectedBits;
      const state = this.states.observe(layer, decision, previousAction);
      const action = this.agent.explore(state, noise);
      const bits = actionToBits(action, minimumBits, maximumBits);
      states.push(state);
      actions.push(action);
      previousAction = bits / maximumBits;
      return bits;
    };
    const decisions = this.environment.layers.map((_, layer) => ({
      weights: decide(layer, 'weights'),
      activations: decide(layer, 'activations'),
    }));
    const asked: BitVector = {
      weightBits: decisions.map((bits) => bits.weights),
      activationBits: decisions.map((bits) => bits.activations),
    };

    const bits = enforceBudgets(asked, minimumBits, this.locked, this.limits, this.environment.costOf);
    const cost = this.environment.costOf(bits);
    const accuracy = await this.environment.accuracyOf(bits);
    // HAQ, eq. (reward): lambda * (accuracy - accuracy of the float network), in percentage points.
    const reward = this.parameters.rewardScale * 100 * (accuracy - this.referenceAccuracy);
    const criticLoss = this.agent.observe({ states, actions, reward }, noise !== null);

    const isBest = this.bestReward === null || reward > this.bestReward;
    if (isBest) this.bestReward = reward;
    this.finalists = withCandidate(this.finalists, { step, accuracy, bits, cost }, this.parameters.finalists);
    this.nextStep = step + 1;
    return {
      ...cost,
      step,
      reward,
      accuracy,
      weightBits: [...bits.weightBits],
      activationBits: [...bits.activationBits],
      askedWeightBits: [...asked.weightBits],
      askedActivationBits: [...asked.activationBits],
      noise,
      criticLoss,
      isBest,
      atMs: this.environment.now(),
    };
  }

  save(): QuantizeSearchState {
    return { agent: this.agent.save(), nextStep: this.nextStep, bestReward: this.bestReward, finalists: this.finalists };
  }

  restore(state: QuantizeSearchState): void {
    this.agent.restore(state.agent);
    this.nextStep = state.nextStep;
    this.bestReward = state.bestReward;
    this.finalists = state.finalists;
  }
}

/** The `limit` best different policies: higher accuracy first, then lower latency, then the earlier one. */
function withCandidate(candidates: readonly Candidate[], candidate: Candidate, limit: number): readonly Candidate[] {
  const key = bitsKey(candidate.bits);
  if (candidates.some((other) => bitsKey(other.bits) === key)) return candidates;
  return [...candidates, candidate]
    .sort((a, b) => b.accuracy - a.accuracy || a.cost.latencyMs - b.cost.latencyMs || a.step - b.step)
    .slice(0, limit);
}

function bitsKey(bits: BitVector): string {
  return `${bits.weightBits.join(',')};${bits.activationBits.join(',')}`;
}
