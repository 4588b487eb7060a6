/** Networks: what there is, and one in full. */
import { setImmediate } from 'node:timers/promises';
import type { Parsed } from '../../shared/contract.ts';
import {
  networkDiffSchema,
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
import type { DiffQuestion, StructureQuestion } from '../engine/network-requests.ts';
import { summaryOf } from '../network/describe.ts';
import { networkIds, type DatasetShape } from '../network/zoo.ts';
import type { Datasets } from './datasets.ts';
import type { OwnNetworks } from './own-networks.ts';

export class Networks {
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;
  private readonly own: OwnNetworks;
  private zoo: Promise<NetworkSummary[]> | null = null; // always the same: made once

  constructor(requests: EngineRequests, datasets: Datasets, own: OwnNetworks) {
    this.requests = requests;
    this.datasets = datasets;
    this.own = own;
  }

  async list(): Promise<NetworkSummary[]> {
    this.zoo ??= listZoo();
    return [...(await this.own.list()), ...(await this.zoo)];
  }

  /** In the engine, as all below: building, hashing and comparing large networks takes longer than a window may stand still. */
  async show({ network, dataset }: Parsed<'network.show'>): Promise<NetworkInfo> {
    const question = (await this.own.showQuestion(network)) ?? zooQuestion(network, await this.#images(dataset));
    return networkInfoSchema.parse(await this.requests.ask('network.show', question));
  }

  async structure({ network, dataset }: Parsed<'network.structure'>): Promise<NetworkStructure> {
    return networkStructureSchema.parse(await this.requests.ask('network.structure', await this.#question(network, dataset)));
  }

  async text({ network, dataset }: Parsed<'network.text'>): Promise<NetworkText> {
    return networkTextSchema.parse(await this.requests.ask('network.text', await this.#question(network, dataset)));
  }

  async diff({ first, second, dataset }: Parsed<'network.diff'>): Promise<NetworkDiff> {
    const question: DiffQuestion = { first: await this.#question(first, dataset), second: await this.#question(second, dataset) };
    return networkDiffSchema.parse(await this.requests.ask('network.diff', question));
  }

  async #question(network: NetworkRef, dataset: string | undefined): Promise<StructureQuestion> {
    const images = await this.#images(dataset);
    const own = await this.own.findOwn(network, images);
    return own ? { kind: 'own', id: own.ref.id, graphJson: own.question.graphJson } : zooQuestion(network, images);
  }

  async #images(dataset: string | undefined): Promise<DatasetShape | undefined> {
    return dataset === undefined ? undefined : await this.datasets.show(dataset);
  }
}

function zooQuestion(network: NetworkRef, images: DatasetShape | undefined): Extract<StructureQuestion, { kind: 'zoo' }> {
  return { kind: 'zoo', network, dataset: images ? { shape: [...images.shape], classes: images.classes } : null };
}

/** Between two networks others have their turn: all of them at once take longer than a window may stand still. */
async function listZoo(): Promise<NetworkSummary[]> {
  const summaries: NetworkSummary[] = [];
  for (const id of networkIds) {
    summaries.push(summaryOf(id));
    await setImmediate();
  }
  return summaries;
}
