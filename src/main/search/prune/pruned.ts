/** A pruned network as it stands: with what is gone taken out, as a model that can be measured and trained. */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { Graph } from '../../network/graph.ts';
import type { Counts } from './decisions.ts';

/** Images evaluated at once: enough to keep the cores busy, small enough to stay in cache. */
const evaluationBatch = 64;

export interface Pruned {
  readonly graph: Graph;
  readonly model: NativeModel;
}

/** Takes channels or weights out of one network. */
export interface Maker {
  /** The network with what is gone taken out; batch norm's running statistics are still the whole network's. */
  make(counts: Counts): Promise<Pruned>;
  /** Of each decision its units' importance, from the largest down, comparable between decisions. */
  readonly scores: readonly Float64Array[];
}

export interface PrunerOptions {
  readonly maker: Maker;
  /** Images for batch norm's statistics of a pruned network, and where they are; none: the whole network's statistics. */
  readonly statistics: { readonly dataset: NativeDataset; readonly indices: Uint32Array } | null;
  readonly control: NativeControl;
}

/** Makes pruned networks of one network and measures them. */
export class Pruner {
  readonly #options: PrunerOptions;

  constructor(options: PrunerOptions) {
    this.#options = options;
  }

  get scores(): readonly Float64Array[] {
    return this.#options.maker.scores;
  }

  /** The pruned network; batch norm's running statistics are still the whole network's. */
  async prune(counts: Counts): Promise<Pruned> {
    return await this.#options.maker.make(counts);
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
