/** Runs as files: a bundle of each, one after another. */
import type { RunSummary } from '../../../shared/run.ts';
import { downloadBase64 } from '../charts/export.ts';
import { isActive } from '../ui/status.ts';
import type { AppState } from './app.svelte.ts';

/** Whether a run can be put into a bundle: it has ended, and is one run. */
export function canBundle(run: RunSummary): boolean {
  return !isActive(run.status) && run.method !== 'pipeline';
}

/** Hands the user a bundle of each run; those that cannot be put into one are told. */
export async function exportBundles(app: AppState, runs: readonly RunSummary[]): Promise<void> {
  for (const { id } of runs) {
    const bundle = await app.attempt('run.bundle', { id });
    if (bundle?.base64) downloadBase64(bundle.fileName, bundle.base64);
  }
}
