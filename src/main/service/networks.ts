/** Networks: what there is, and one in full. */
import type { Parsed } from '../../shared/contract.ts';
import {
  networkInfoSchema,
  networkStructureSchema,
  networkTextSchema,
  type NetworkDiff,
  type NetworkInfo,
  type NetworkRef,
  type NetworkStructure,
  type NetworkSummary,
  type NetworkText,
} from '../../shared/network.ts';
import type { EngineRequests } from '../engine/host.ts';
import type { StructureQuestion } from '../engine/network-requests.ts';
import { describeNetwork, listNetworks, networkTitle } from '../network/describe.ts';
import { diffGraphs } from '../network/diff.ts';
import type { Graph } from '../network/graph.ts';
import { describeShape } from '../network/shape.ts';
import { isZooNetwork } from '../network/zoo.ts';
import type { Datasets } from './datasets.ts';
import type { OwnNetworks } from './own-networks.ts';

export class Networks {
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;
  private readonly own: OwnNetworks;

  constructor(requests: EngineRequests, datasets: Datasets, own: OwnNetworks) {
    this.requests = requests;
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

  /** In the engine: the coupled channels of a large network take longer than a window may stand still. */
  async structure({ network, dataset }: Parsed<'network.structure'>): Promise<NetworkStructure> {
    return networkStructureSchema.parse(await this.requests.ask('network.structure', await this.#question(network, dataset)));
  }

  async text({ network, dataset }: Parsed<'network.text'>): Promise<NetworkText> {
    return networkTextSchema.parse(await this.requests.ask('network.text', await this.#question(network, dataset)));
  }

  async diff({ first, second, dataset }: Parsed<'network.diff'>): Promise<NetworkDiff> {
    const [before, after] = [await this.#find(first, dataset), await this.#find(second, dataset)];
    return { first: before.title, second: after.title, ...diffGraphs(before.graph, after.graph) };
  }

  async #question(network: NetworkRef, dataset: string | undefined): Promise<StructureQuestion> {
    const images = dataset === undefined ? undefined : await this.datasets.show(dataset);
    const own = await this.own.findOwn(network, images);
    if (own) return { kind: 'own', id: own.ref.id, graphJson: own.question.graphJson };
    return { kind: 'zoo', network, dataset: images ? { shape: images.shape, classes: images.classes } : null };
  }

  async #find(network: NetworkRef, dataset: string | undefined): Promise<{ readonly graph: Graph; readonly title: string }> {
    const { graph, ref } = await this.own.find(network, dataset === undefined ? undefined : await this.datasets.show(dataset));
    return { graph, title: isZooNetwork(ref.id) ? networkTitle(ref) : `${ref.id}, ${describeShape(graph.inputShape)}` };
  }
}
