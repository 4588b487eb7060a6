/** The typed face of the addon: validates, then calls. The only way from TypeScript into C++. */
import type { NativeAddon, SimdLevel } from './addon.ts';
import { checkInteger } from './check.ts';
import { guard } from './native-error.ts';
import { loadAddon } from './load.ts';

export { findAddon, loadAddon } from './load.ts';
export { createControl, type Cancellable } from './control.ts';
export { createDataset } from './dataset.ts';
export { createModel, Model } from './model.ts';
export { createSupernet, type Supernet } from './supernet.ts';
export { createMlp, Mlp } from './mlp.ts';
export { createSimulator, type Simulator } from './simulator.ts';

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
