/** Networks: what there is, and one in full. */
import type { Parsed } from '../../shared/contract.ts';
import { networkInfoSchema, type NetworkInfo, type NetworkSummary } from '../../shared/network.ts';
import { describeNetwork, listNetworks } from '../network/describe.ts';
import type { Datasets } from './datasets.ts';

export class Networks {
  private readonly datasets: Datasets;

  constructor(datasets: Datasets) {
    this.datasets = datasets;
  }

  async list(): Promise<NetworkSummary[]> {
    return listNetworks();
  }

  async show({ network, dataset }: Parsed<'network.show'>): Promise<NetworkInfo> {
    return networkInfoSchema.parse(describeNetwork(network, dataset === undefined ? undefined : await this.datasets.show(dataset)));
  }
}
