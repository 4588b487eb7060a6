/** What a run's result costs on any target: the policy, the pruned or the specialized network, priced as its own target prices it. */
import type { Parsed } from '../../shared/contract.ts';
import { resultOf } from '../../shared/compare.ts';
import { LatheError } from '../../shared/errors.ts';
import type { NetworkRef } from '../../shared/network.ts';
import type { RunCost, RunDetail, Solution } from '../../shared/run.ts';
import type { RunRecord } from './run-record.ts';
import type { Tables } from './tables.ts';
import type { Targets } from './targets.ts';

export interface RunCostsOptions {
  readonly runs: Pick<RunRecord, 'show'>;
  readonly targets: Pick<Targets, 'find' | 'simulate'>;
  readonly tables: Pick<Tables, 'predict'>;
}

/** Bits of weights and activations of a network that has no policy, on targets that need them. */
const plainBits = 8;

export class RunCosts {
  private readonly options: RunCostsOptions;

  constructor(options: RunCostsOptions) {
    this.options = options;
  }

  /**
   * On the run's own target at the run's batch, on any other at that target's. Throws LatheError conflict where the run has found
   * nothing yet, bad-input where a latency table lacks a key or cannot price bits.
   */
  async cost({ id, target: targetId }: Parsed<'run.cost'>): Promise<RunCost> {
    const { targets } = this.options;
    const detail = await this.options.runs.show(id);
    const { target, sha256 } = targets.find(targetId);
    const found = resultOf(detail);
    if (!found) throw new LatheError('conflict', `run ${id} has found nothing yet (it is ${detail.summary.status}); let it complete first`);
    const network = networkOf(detail, found);
    const common = { run: id, target: targetId, targetSha256: sha256 };
    if (target.law === 'table' && found.policy === null) return { ...common, ...(await this.predicted(network, detail, targetId)) };
    const { manifest } = detail;
    const own = manifest.method !== 'train' && manifest.target === targetId;
    const { latencyMs, energyMj, batch } = await targets.simulate({
      network,
      ...datasetOf(network, detail),
      target: targetId,
      ...(own ? { batch: manifest.batch } : {}),
      ...(found.policy === null ? {} : { policy: found.policy }),
      weightBits: plainBits,
      activationBits: plainBits,
    });
    const bits = found.policy === null ? `w${String(plainBits)}a${String(plainBits)}` : 'policy';
    return { ...common, origin: 'simulated', batch, latencyMs, energyMj, bits };
  }

  private async predicted(
    network: NetworkRef,
    detail: RunDetail,
    target: string,
  ): Promise<Omit<RunCost, 'run' | 'target' | 'targetSha256'>> {
    const { latencyMs, batch, missing } = await this.options.tables.predict({
      network,
      ...datasetOf(network, detail),
      target,
      filling: 'none',
      weightBits: plainBits,
      activationBits: plainBits,
    });
    if (latencyMs === null) {
      throw new LatheError(
        'bad-input',
        `run ${detail.summary.id} on ${target}: its table lacks ${String(missing.length)} keys, the first ${missing[0] ?? ''}; build them (lathe table build) and make the target again`,
      );
    }
    return { origin: 'table', batch, latencyMs, energyMj: null, bits: 'float' };
  }
}

/** The network that was found: the user's that the run has made of it, or the one that it started from. */
function networkOf({ manifest, summary }: RunDetail, { prune, architecture }: Solution): NetworkRef {
  if (manifest.method !== 'prune' && manifest.method !== 'specialize') return manifest.network;
  const id = manifest.method === 'prune' ? prune?.network : architecture?.network;
  if (id === null || id === undefined)
    throw new LatheError(
      'conflict',
      `run ${summary.id} has not kept the network that it found, so nothing else can price it; run it again`,
    );
  return { id };
}

/** What fits the network to its images; a network that a run has made has one form and needs none. */
function datasetOf(network: NetworkRef, { manifest }: RunDetail): { readonly dataset?: string } {
  return network === manifest.network ? { dataset: manifest.dataset } : {};
}
