/** The network and bits that the Targets screen simulates, as the address has them. */
import type { Input } from '../../../shared/contract.ts';

export interface Choice {
  readonly network: string;
  readonly dataset: string; // '': the network's own input
  readonly weightBits: number;
  readonly activationBits: number;
  readonly batch: number | null; // null: the target's
}

function bitsOf(text: string | undefined): number {
  const bits = Number(text ?? '');
  return Number.isInteger(bits) && bits >= 1 && bits <= 8 ? bits : 8;
}

export function choiceOf(query: ReadonlyMap<string, string>): Choice {
  const batch = Number(query.get('batch') ?? '');
  return {
    network: query.get('network') ?? 'mobilenet-v1',
    dataset: query.get('dataset') ?? '',
    weightBits: bitsOf(query.get('w')),
    activationBits: bitsOf(query.get('a')),
    batch: Number.isInteger(batch) && batch >= 1 && batch <= 4096 ? batch : null,
  };
}

export function toInput(choice: Choice, target: string): Input<'simulate'> {
  const { network, dataset, weightBits, activationBits, batch } = choice;
  return {
    network: { id: network },
    target,
    weightBits,
    activationBits,
    ...(dataset === '' ? {} : { dataset }),
    ...(batch === null ? {} : { batch }),
  };
}
