/** The addon's simulator; the addon checks every argument. */
import type { NativeCosts, NativeLayer, NativeReplay, NativeRows, NativeSimulator, NativeTarget, NativeTimeline } from './addon.ts';
import { loadAddon } from './load.ts';
import { guard } from './native-error.ts';

/** One target's law. Every method throws LatheError bad-input, naming the layer or the argument, when it cannot be simulated. */
export class Simulator {
  private readonly native: NativeSimulator;

  constructor(target: NativeTarget) {
    this.native = guard(() => new (loadAddon().Simulator)(target));
  }

  /** What each row costs at its best tiling; `tilings` (seven numbers a row, as the result has them) fixes them instead. */
  run(layers: readonly NativeLayer[], rows: NativeRows, batch: number, tilings?: Int32Array): NativeCosts {
    return guard(() => this.native.run(layers, rows, batch, tilings));
  }

  /** Cycles and buffer reads of the array alone, as if everything were in its buffers. */
  array(layers: readonly NativeLayer[], rows: NativeRows, batch: number): NativeCosts {
    return guard(() => this.native.array(layers, rows, batch));
  }

  /** The same as `run` by walking every tile: the check of the fast form. */
  replay(layers: readonly NativeLayer[], rows: NativeRows, batch: number, tilings?: Int32Array): NativeReplay {
    return guard(() => this.native.replay(layers, rows, batch, tilings));
  }

  /** At most `steps` tiles of the one row, from `fromStep` on, on their way through load, compute and store. */
  timeline(layers: readonly NativeLayer[], rows: NativeRows, batch: number, fromStep: number, steps: number): NativeTimeline {
    return guard(() => this.native.timeline(layers, rows, batch, fromStep, steps));
  }
}

export function createSimulator(target: NativeTarget): Simulator {
  return new Simulator(target);
}
