/** Networks: what there is, and one in full. */
import type { Parsed } from '../../shared/contract.ts';
import {
  networkInfoSchema,
  type NetworkDiff,
  type NetworkInfo,
  type NetworkRef,
  type NetworkStructure,
  type NetworkSummary,
  type Published,
} from '../../shared/network.ts';
import { describeNetwork, describeStructure, listNetworks, networkTitle } from '../network/describe.ts';
import { diffGraphs } from '../network/diff.ts';
import type { Graph } from '../network/graph.ts';
import { describeShape } from '../network/shape.ts';
import { isZooNetwork, networkIdOf, publishedOf } from '../network/zoo.ts';
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

  async structure({ network, dataset }: Parsed<'network.structure'>): Promise<NetworkStructure> {
    const { graph, id, title, published } = await this.#find(network, dataset);
    return describeStructure(graph, id, title, published);
  }

  async diff({ first, second, dataset }: Parsed<'network.diff'>): Promise<NetworkDiff> {
    const [before, after] = [await this.#find(first, dataset), await this.#find(second, dataset)];
    return { first: before.title, second: after.title, ...diffGraphs(before.graph, after.graph) };
  }

  async #find(
    network: NetworkRef,
    dataset: string | undefined,
  ): Promise<{ graph: Graph; id: string; title: string; published: readonly Published[] }> {
    const { graph, ref } = await this.own.find(network, dataset === undefined ? undefined : await this.datasets.show(dataset));
    if (!isZooNetwork(ref.id)) return { graph, id: ref.id, title: `${ref.id}, ${describeShape(graph.inputShape)}`, published: [] };
    return { graph, id: networkIdOf(ref), title: networkTitle(ref), published: publishedOf(ref) };
  }
}
