/** Targets: Lathe's and the user's own; kept, checked, and what a network costs on them. */
import { contract, type Output, type Parsed } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { findingSchema, simulationSchema, timelineSchema } from '../../shared/simulation.ts';
import { targetSchema, type TableTarget, type Target, type TargetInfo } from '../../shared/target.ts';
import type { EngineRequests } from '../engine/host.ts';
import { isHostTarget, TargetLibrary } from '../hardware/targets.ts';
import type { Datasets } from './datasets.ts';
import type { FoundNetwork, OwnNetworks } from './own-networks.ts';

export class Targets {
  private readonly library: TargetLibrary;
  private readonly requests: EngineRequests;
  private readonly datasets: Datasets;
  private readonly own: OwnNetworks;

  constructor(dataDir: string, requests: EngineRequests, datasets: Datasets, own: OwnNetworks) {
    this.library = new TargetLibrary(dataDir);
    this.requests = requests;
    this.datasets = datasets;
    this.own = own;
  }

  list(): TargetInfo[] {
    return this.library.list();
  }

  find(id: string): TargetInfo {
    return this.library.find(id);
  }

  /** A sentence for each file of the user's that is not a target. */
  problems(): string[] {
    return this.library.problems();
  }

  add({ target, replace }: Parsed<'target.add'>): TargetInfo {
    if (isHostTarget(target.id))
      throw new LatheError('conflict', `target ${target.id} is this machine: it is measured, not written; choose another id`);
    const existing = this.list().find((info) => info.target.id === target.id);
    if (existing && !existing.builtIn && !replace)
      throw new LatheError('conflict', `there is a target ${target.id} already; choose another id, or replace it`);
    return this.library.put(target);
  }

  /** Keeps this machine's latencies as they are now. */
  keepMeasured(target: TableTarget): TargetInfo {
    return this.library.put(target);
  }

  remove(id: string): { id: string } {
    this.library.remove(id);
    return { id };
  }

  validate(text: string): Output<'target.validate'> {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      return { valid: false, problems: [`not JSON: ${error instanceof Error ? error.message : String(error)}`], target: null };
    }
    const parsed = targetSchema.safeParse(value);
    if (parsed.success) return { valid: true, problems: [], target: parsed.data };
    const problems = parsed.error.issues.map((issue) =>
      issue.path.length === 0 ? issue.message : `${issue.path.map(String).join('.')}: ${issue.message}`,
    );
    return { valid: false, problems, target: null };
  }

  async simulate(input: Parsed<'simulate'>): Promise<Output<'simulate'>> {
    return simulationSchema.parse(await this.requests.ask('simulate', await this.question(input)));
  }

  async lint(input: Parsed<'simulate.lint'>): Promise<Output<'simulate.lint'>> {
    return findingSchema.array().parse(await this.requests.ask('lint', await this.question(input)));
  }

  async timeline(input: Parsed<'simulate.timeline'>): Promise<Output<'simulate.timeline'>> {
    return timelineSchema.parse(await this.requests.ask('timeline', await this.question(input)));
  }

  async preview({ minimumBits, protectFirstAndLast, ...input }: Parsed<'run.preview'>): Promise<Output<'run.preview'>> {
    const question = {
      ...(await this.question(input)),
      minimumBits: minimumBits ?? 2,
      protectFirstAndLast: protectFirstAndLast ?? true,
    };
    return contract['run.preview'].output.parse(await this.requests.ask('preview', question));
  }

  /** The same input with the target and the network's variant in full; refuses an unknown one before an engine is started. */
  private async question<
    T extends { readonly network: Parsed<'simulate'>['network']; readonly dataset?: string | undefined; readonly target: string },
  >({
    network,
    dataset,
    target: id,
    ...rest
  }: T): Promise<Omit<T, 'network' | 'dataset' | 'target'> & { network: FoundNetwork['question']; target: Target }> {
    const { target } = this.find(id);
    const { question } = await this.own.find(network, dataset === undefined ? undefined : await this.datasets.show(dataset));
    return { ...rest, network: question, target };
  }
}
