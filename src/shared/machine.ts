/** On which machine a result was made, as a line for a person. */
import type { RunDetail } from './run.ts';

/** 'worker lab-3, AMD EPYC, avx2, Lathe 0.1.0, attempt 2 (1 lost)', or the machine that the manifest names where the run was worked on here. */
export function machineOf({ manifest, placement }: Pick<RunDetail, 'manifest' | 'placement'>): string {
  const worker = placement?.worker;
  if (placement && worker) {
    const lost = placement.lost === 0 ? '' : ` (${String(placement.lost)} lost)`;
    return `worker ${worker.name}, ${worker.cpu}, ${worker.build.simd}, Lathe ${worker.build.lathe}, attempt ${String(placement.attempt)}${lost}`;
  }
  const { cpu = 'unknown processor', simd = 'unknown SIMD level', lathe = '' } = manifest.versions;
  return `made here, ${cpu}, ${simd}, Lathe ${lathe}`;
}
