/** The typed face of the addon: validates, then calls. The only way from TypeScript into C++. */
import type { NativeAddon, NativeBismoLayer, NativeBismoResult, NativeBismoTarget, SimdLevel } from './addon.ts';
import { checkInteger } from './check.ts';
import { guard } from './native-error.ts';
import { loadAddon } from './load.ts';

export { findAddon, loadAddon } from './load.ts';
export { createControl, type Cancellable } from './control.ts';
export { createDataset } from './dataset.ts';
export { createModel, Model } from './model.ts';
export { createMlp, Mlp } from './mlp.ts';

/** What the addon is and runs on. Throws LatheError: unavailable. */
export function addonInfo(): ReturnType<NativeAddon['info']> {
  return loadAddon().info();
}

/** Threads that share the work of a call, the caller's included; results do not depend on it. Throws LatheError: bad-input. */
export function setThreads(threads: number): void {
  checkInteger('threads', threads, 1, 1024);
  guard(() => loadAddon().setThreads(threads));
}

/** The instruction set of calls that begin from now on; for tests and benchmarks. Throws LatheError: bad-input. */
export function setSimd(level: SimdLevel): void {
  guard(() => loadAddon().setSimd(level));
}

/** Cycles of each layer on a bit-serial array; the addon checks the arguments. Throws LatheError: bad-input. */
export function simulateBismo(
  target: NativeBismoTarget,
  layers: readonly NativeBismoLayer[],
  weightBits: Uint8Array,
  activationBits: Uint8Array,
  batch: number,
): NativeBismoResult {
  return guard(() => loadAddon().simulateBismo(target, layers, weightBits, activationBits, batch));
}
