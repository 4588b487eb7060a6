/** Evaluations: which weights are meant, and which images they were not trained on. */
import { evaluationSchema, type EvaluateRequest, type Evaluation } from '../../shared/evaluate.ts';
import { LatheError } from '../../shared/errors.ts';
import type { DatasetRecord } from '../../shared/dataset.ts';
import type { NetworkRef } from '../../shared/network.ts';
import type { RunDetail } from '../../shared/run.ts';
import { EngineTask } from '../engine/host.ts';
import type { EngineLauncher } from '../engine/launcher.ts';
import { graphSha256 } from '../network/graph-form.ts';
import { networkIdOf } from '../network/zoo.ts';
import type { Store } from '../store/types.ts';
import type { Datasets } from './datasets.ts';
import type { FoundNetwork } from './own-networks.ts';

export interface EvaluationsOptions {
  readonly store: Store;
  readonly dataDir: string;
  readonly launchEngine: EngineLauncher;
  readonly datasets: Datasets;
  readonly network: (ref: NetworkRef, dataset: DatasetRecord) => Promise<FoundNetwork>;
  readonly cores: () => Promise<number>;
}

interface Source {
  readonly run: RunDetail;
  readonly weights: string;
}

const weightsOf = (run: RunDetail): string | null => run.solutions.find((solution) => solution.role === 'float')?.weights ?? null;

export class Evaluations {
  private readonly options: EvaluationsOptions;

  constructor(options: EvaluationsOptions) {
    this.options = options;
  }

  /** In an engine of its own. Throws LatheError: not-found without such weights, bad-input where they do not fit. */
  async evaluate({ network, dataset, weights, threads, ...rest }: EvaluateRequest): Promise<Evaluation> {
    const { datasets, launchEngine, dataDir, cores } = this.options;
    const record = await datasets.require(dataset);
    const { ref, graph } = await this.options.network(network, record);
    const sha256 = graphSha256(graph);
    const source =
      weights === undefined
        ? await this.newest(sha256, dataset, networkIdOf(ref))
        : await this.named(weights, sha256, dataset, networkIdOf(ref));
    if (source.run.manifest.datasetSha256 !== record.sha256) {
      throw new LatheError('conflict', `data set ${dataset} has changed since run ${source.run.summary.id}; train again`);
    }
    const question = {
      ...rest,
      network: ref,
      dataset: record,
      dataDir,
      run: source.run.summary.id,
      weights: source.weights,
      validation: source.run.manifest.validation,
      threads: threads ?? (await cores()),
    };
    const task = new EngineTask(launchEngine, 'evaluate', question, () => undefined);
    return evaluationSchema.parse(await task.result);
  }

  /** The newest run with weights of this network on this data set. */
  private async newest(networkSha256: string, dataset: string, id: string): Promise<Source> {
    for await (const run of this.details()) {
      const weights = weightsOf(run);
      const fits = run.manifest.networkSha256 === networkSha256 && run.manifest.dataset === dataset;
      if (fits && weights !== null) return { run, weights };
    }
    throw new LatheError(
      'not-found',
      `no run has weights of ${id} on ${dataset}: train it first ("lathe train ${id} --dataset ${dataset}") or name them with --weights`,
    );
  }

  private async named(name: string, networkSha256: string, dataset: string, id: string): Promise<Source> {
    for await (const run of this.details()) {
      const weights = weightsOf(run);
      if (weights === null || (run.summary.id !== name && weights !== name)) continue;
      if (run.manifest.networkSha256 !== networkSha256) {
        throw new LatheError(
          'bad-input',
          `weights ${name}: expected those of ${id}, found ${networkIdOf(run.manifest.network)} of another form; give the network and variant of run ${run.summary.id}`,
        );
      }
      if (run.manifest.dataset !== dataset) {
        throw new LatheError(
          'bad-input',
          `weights ${name}: trained on ${run.manifest.dataset}, found --dataset ${dataset}; give the same one`,
        );
      }
      return { run, weights };
    }
    throw new LatheError('not-found', `weights ${name}: no run with that id or hash has trained weights; "lathe run list" shows the runs`);
  }

  /** All runs, the newest first. */
  private async *details(): AsyncGenerator<RunDetail> {
    const { store } = this.options;
    const newestFirst = [...(await store.listRuns())].sort((a, b) => b.createdAtMs - a.createdAtMs);
    for (const { id } of newestFirst) {
      const detail = await store.getRun(id);
      if (detail) yield detail;
    }
  }
}
