/** Networks: what there is, and one in full. */
import type { Parsed } from '../../shared/contract.ts';
import { networkInfoSchema, type NetworkInfo, type NetworkSummary } from '../../shared/network.ts';
import { describeNetwork, listNetworks } from '../network/describe.ts';
import type { Datasets } from './datasets.ts';
import type { OwnNetworks } from './own-networks.ts';

export class Networks {
  private readonly datasets: Datasets;
  private readonly own: OwnNetworks;

  constructor(datasets: Datasets, own: OwnNetworks) {
    this.datasets = datasets;
    this.own = own;
  }

  async list(): Promise<NetworkSummary[]> {
    return [...(await this.own.list()), ...listNetworks()];
  }

  async show({ network, dataset }: Parsed<'network.show'>): Promise<NetworkInfo> {
    const own = await this.own.show(network);
    if (own) return own;
    return networkInfoSchema.parse(describeNetwork(network, dataset === undefined ? undefined : await this.datasets.show(dataset)));
  }
}
