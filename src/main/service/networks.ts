/** Networks and targets: what there is, and what one costs on the other. */
import type { Output, Parsed } from '../../shared/contract.ts';
import { networkInfoSchema, simulationSchema, type NetworkInfo, type NetworkSummary, type TargetInfo } from '../../shared/network.ts';
import { contract } from '../../shared/contract.ts';
import type { EngineRequests } from '../engine/host.ts';
import { findTarget, listTargets } from '../hardware/targets.ts';
import { describeNetwork, listNetworks } from '../network/describe.ts';
import { resolveNetwork } from '../network/zoo.ts';
import type { Datasets } from './datasets.ts';

export class Networks {
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;

  constructor(requests: EngineRequests, datasets: Datasets) {
    this.requests = requests;
    this.datasets = datasets;
  }

  async list(): Promise<NetworkSummary[]> {
    return listNetworks();
  }

  async show({ network, dataset }: Parsed<'network.show'>): Promise<NetworkInfo> {
    return networkInfoSchema.parse(describeNetwork(network, dataset === undefined ? undefined : await this.datasets.show(dataset)));
  }

  async listTargets(): Promise<TargetInfo[]> {
    return [...listTargets()];
  }

  async showTarget(id: string): Promise<TargetInfo> {
    return findTarget(id);
  }

  async simulate({ network, dataset, ...rest }: Parsed<'simulate'>): Promise<Output<'simulate'>> {
    findTarget(rest.target); // refuses an unknown one before an engine is started
    const { ref } = resolveNetwork(network, dataset === undefined ? undefined : await this.datasets.show(dataset));
    return simulationSchema.parse(await this.requests.ask('simulate', { network: ref, ...rest }));
  }

  async preview({
    network,
    dataset,
    target,
    batch,
    minimumBits,
    protectFirstAndLast,
  }: Parsed<'run.preview'>): Promise<Output<'run.preview'>> {
    findTarget(target);
    const { ref } = resolveNetwork(network, await this.datasets.show(dataset));
    const question = { network: ref, target, batch, minimumBits: minimumBits ?? 2, protectFirstAndLast: protectFirstAndLast ?? true };
    return contract['run.preview'].output.parse(await this.requests.ask('preview', question));
  }
}
