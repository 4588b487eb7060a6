/** A pruned network as it stands: the smaller graph with the weights that stay, as a model that can be measured and trained. */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import { createModel } from '../../compute/index.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { Importance } from '../../../shared/prune.ts';
import type { Coupling } from '../../network/coupling.ts';
import type { Graph } from '../../network/graph.ts';
import { toNativeProgram } from '../../network/program.ts';
import { sliceNetwork } from '../../network/slice.ts';
import { stateOfValues, valuesOfState, type NetworkValues } from '../../network/values.ts';
import { keptUnits, type Counts, type Decision } from './channels.ts';
import type { Reconstruction } from './reconstruct.ts';
import { orderOf, scoresOf } from './importance.ts';

/** Images evaluated at once: enough to keep the cores busy, small enough to stay in cache. */
const evaluationBatch = 64;

export interface Pruned {
  readonly graph: Graph;
  readonly model: NativeModel;
}

export interface PrunerOptions {
  readonly graph: Graph;
  readonly coupling: Coupling;
  readonly model: NativeModel; // the whole network with its weights
  readonly decisions: readonly Decision[];
  readonly importance: Importance;
  /** Images for batch norm's statistics of a pruned network, and where they are; none: the whole network's statistics. */
  readonly statistics: { readonly dataset: NativeDataset; readonly indices: Uint32Array } | null;
  readonly reconstruction: Reconstruction | null; // null: the weights that stay are kept as they are
  readonly control: NativeControl;
}

/** Makes pruned networks of one network and measures them. */
export class Pruner {
  readonly #options: PrunerOptions;
  readonly #values: NetworkValues;
  readonly #orders: readonly Uint32Array[]; // of each decision, its units from the most to the least important

  constructor(options: PrunerOptions, taylor: NetworkValues | null = null) {
    this.#options = options;
    const { graph, coupling, model, decisions, importance } = options;
    this.#values = valuesOfState(model.parameters, model.getState().parameters);
    const sources = { graph, coupling, values: this.#values, taylor };
    this.#orders = decisions.map(({ group }) => orderOf(scoresOf(sources, group, importance)));
  }

  /** The smaller network with its weights; batch norm's running statistics are still the whole network's. */
  async prune(counts: Counts): Promise<Pruned> {
    const { graph, coupling, decisions, reconstruction } = this.#options;
    const kept = keptUnits(decisions, counts, (decision) => this.#orders[decision] ?? []);
    const sliced = sliceNetwork(graph, this.#values, kept, coupling);
    const model = createModel(toNativeProgram(sliced.graph));
    const values = reconstruction ? await reconstruction.apply(sliced.values, kept) : sliced.values;
    model.setState(stateOfValues(model.parameters, values));
    return { graph: sliced.graph, model };
  }

  /** Accuracy, 0..1, of a pruned network as it stands, with batch norm's statistics measured anew. */
  async accuracyOf(pruned: Pick<Pruned, 'model'>, dataset: NativeDataset, indices: Uint32Array): Promise<number> {
    return (await this.measure(pruned, dataset, indices)).accuracy;
  }

  /** The same with the mean cross-entropy. */
  async measure(
    { model }: Pick<Pruned, 'model'>,
    dataset: NativeDataset,
    indices: Uint32Array,
  ): Promise<{ readonly accuracy: number; readonly loss: number }> {
    const { statistics, control } = this.#options;
    const result = await model.evaluate({ dataset, indices, batchSize: evaluationBatch, control, ...(statistics ? { statistics } : {}) });
    if (control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
    return { accuracy: result.correct / result.count, loss: result.meanLoss };
  }

  /** Batch norm's running statistics of a pruned network, measured anew and kept. */
  async recalibrate({ model }: Pruned): Promise<void> {
    const { statistics, control } = this.#options;
    if (!statistics) return;
    const indices = statistics.indices.slice(0, 1); // of which nothing is wanted
    const { parameters } = await model.evaluate({
      dataset: statistics.dataset,
      indices,
      batchSize: 1,
      statistics,
      wantParameters: true,
      control,
    });
    if (control.cancelled) throw new LatheError('cancelled', 'cancelled on request');
    if (parameters) model.setState(parameters);
  }
}
