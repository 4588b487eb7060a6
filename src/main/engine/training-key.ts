/** Everything that decides trained weights, as one hash: the same key, the same weights, bit for bit. */
import type { Manifest } from '../../shared/run.ts';
import { sha256OfJson } from '../compute/hash.ts';

export function trainingKey(manifest: Manifest): string {
  return sha256OfJson({
    networkSha256: manifest.networkSha256,
    ...(manifest.initialWeights === undefined ? {} : { initialWeights: manifest.initialWeights }),
    dataset: manifest.dataset,
    datasetSha256: manifest.datasetSha256,
    validation: manifest.validation,
    training: manifest.training,
    seed: manifest.seed,
    threads: manifest.threads,
    addon: manifest.versions['addon'] ?? '',
    simd: manifest.versions['simd'] ?? '',
  });
}
