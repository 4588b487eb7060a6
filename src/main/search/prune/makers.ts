/** What takes channels, or single weights, out of a network. */
import type { NativeModel } from '../../compute/addon.ts';
import { createModel } from '../../compute/index.ts';
import type { Importance } from '../../../shared/prune.ts';
import type { Coupling } from '../../network/coupling.ts';
import type { Graph } from '../../network/graph.ts';
import { toNativeProgram } from '../../network/program.ts';
import { sliceNetwork } from '../../network/slice.ts';
import { stateOfValues, valuesOfState, type NetworkValues } from '../../network/values.ts';
import { keptUnits, type ChannelDecision } from './channels.ts';
import type { Counts, Decision } from './decisions.ts';
import { orderOf, scoresOf } from './importance.ts';
import type { Maker, Pruned } from './pruned.ts';
import type { Reconstruction } from './reconstruct.ts';
import { magnitudeOrder } from './weights.ts';

export interface ChannelMakerOptions {
  readonly graph: Graph;
  readonly coupling: Coupling;
  readonly model: NativeModel; // the whole network with its weights
  readonly decisions: readonly ChannelDecision[];
  readonly importance: Importance;
  readonly taylor: NetworkValues | null; // of importance taylor
  readonly reconstruction: Reconstruction | null; // null: the weights that stay are kept as they are
}

/** Smaller networks, whose layers that lose inputs get new weights. The model's weights are read now. */
export function channelMaker({ graph, coupling, model, decisions, importance, taylor, reconstruction }: ChannelMakerOptions): Maker {
  const whole = valuesOfState(model.parameters, model.getState().parameters);
  const raw = decisions.map(({ group }) => scoresOf({ graph, coupling, values: whole, taylor }, group, importance));
  const orders = raw.map(orderOf);
  return {
    // A group's scores add up over its layers, whose sizes differ: between groups a unit counts by its share of the mean.
    scores: raw.map((scores) => {
      const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
      return scores.map((score) => (mean > 0 ? score / mean : 0)).sort((a, b) => b - a);
    }),
    make: async (counts) => {
      const kept = keptUnits(decisions, counts, (decision) => orders[decision] ?? []);
      const sliced = sliceNetwork(graph, whole, kept, coupling);
      const pruned = createModel(toNativeProgram(sliced.graph));
      const values = reconstruction ? await reconstruction.apply(sliced.values, kept) : sliced.values;
      pruned.setState(stateOfValues(pruned.parameters, values));
      return { graph: sliced.graph, model: pruned };
    },
  };
}

/** The same network with zeros for the smallest weights of each layer. The model's weights are read now. */
export function weightMaker({ graph, model, decisions }: { graph: Graph; model: NativeModel; decisions: readonly Decision[] }): Maker {
  const whole = valuesOfState(model.parameters, model.getState().parameters);
  const weightOf = ({ name }: Decision): Float32Array => whole.get(name)?.['weight'] ?? new Float32Array();
  const orders = decisions.map((decision) => magnitudeOrder(weightOf(decision)));
  const make = (counts: Counts): Pruned => {
    const values = new Map(whole);
    decisions.forEach((decision, t) => {
      const weight = weightOf(decision).slice();
      orders[t]?.subarray(counts[t] ?? weight.length).forEach((at) => (weight[at] = 0));
      values.set(decision.name, { ...whole.get(decision.name), weight });
    });
    const pruned = createModel(toNativeProgram(graph));
    pruned.setState(stateOfValues(pruned.parameters, values));
    return { graph, model: pruned };
  };
  return {
    scores: decisions.map((decision) => Float64Array.from(weightOf(decision), Math.abs).sort((a, b) => b - a)),
    make: (counts) => Promise.resolve(make(counts)),
  };
}
