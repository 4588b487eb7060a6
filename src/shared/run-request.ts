/** The request that a manifest came from: what "clone with edits" begins with, and what "reproduce" asks for again. */
import type { Manifest, RunRequest } from './run.ts';

/** Every choice is given, so none is left to a default that may have changed since. */
export function requestOf(manifest: Manifest): RunRequest {
  const { network, dataset, training, seed, threads } = manifest;
  const base = { network, dataset, training, seed, threads };
  switch (manifest.method) {
    case 'train':
      return { method: 'train', ...base };
    case 'quantize': {
      const { target, batch, budgets, search, start, agentRun } = manifest;
      return {
        method: 'quantize',
        ...base,
        ...{ target, batch, budgets, search },
        ...(start === undefined ? {} : { start }),
        ...(agentRun === undefined ? {} : { agentRun }),
      };
    }
    case 'prune': {
      const { target, batch, budgets, search, tuning } = manifest;
      return { method: 'prune', ...base, ...(target === null ? {} : { target }), batch, budgets, search, tuning };
    }
    case 'specialize': {
      const { space, target, batch, budgets, also, search } = manifest;
      return {
        method: 'specialize',
        ...base,
        space,
        target,
        batch,
        budgets,
        also: also.map((other) => ({ target: other.target, budgets: other.budgets })),
        search,
      };
    }
    case 'pipeline': {
      const { target, batch, budgets, stages, rivals } = manifest;
      return { method: 'pipeline', ...base, target, batch, budgets, stages, rivals };
    }
  }
}
