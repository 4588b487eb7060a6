/** The target of a pruning, as it was when the run was made. */
import { LatheError } from '../../shared/errors.ts';
import type { PruneManifest } from '../../shared/run.ts';
import type { Target } from '../../shared/target.ts';
import { findTarget } from '../hardware/targets.ts';

/** Null where the run needs none. Throws LatheError conflict where the target is another one now. */
export function targetOf(manifest: Pick<PruneManifest, 'target' | 'targetSha256'>): Target | null {
  if (manifest.target === null) return null;
  const { target, sha256 } = findTarget(manifest.target);
  if (sha256 !== manifest.targetSha256) {
    throw new LatheError('conflict', `target ${manifest.target} has changed since the run was made; start a new run`);
  }
  return target;
}
