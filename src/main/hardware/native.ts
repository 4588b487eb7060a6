/** Targets and layers in the form that the addon's simulator takes, and simulators that remember what they have simulated. */
import { requireSimulated, type Energy, type Target, type TargetMemory } from '../../shared/target.ts';
import type { NativeEnergy, NativeLayer, NativeMemory, NativeTarget } from '../compute/addon.ts';
import { createSimulator, type Simulator } from '../compute/index.ts';
import type { QuantizableLayer } from '../network/graph.ts';

export function toNativeTarget(anyTarget: Target): NativeTarget {
  const target = requireSimulated(anyTarget, 'array to simulate');
  switch (target.law) {
    case 'systolic':
    case 'row-stationary': {
      const { rows, columns, operandBits, storage } = target.array;
      const sides = { rows, columns, ...toMemory(target.memory, storage === 'operand' ? operandBits : 0) };
      if (target.law === 'row-stationary') return { law: target.law, ...sides, energy: null };
      return { law: target.law, dataflow: target.dataflow, ...sides, energy: toEnergy(target.energy) };
    }
    case 'bitfusion':
      return {
        law: target.mode === 'compatible' ? 'bitfusion-compatible' : 'bitfusion',
        ...target.array,
        ...toMemory(target.memory, 0),
        energy: toEnergy(target.energy),
      };
    case 'bismo': {
      const { law, array, weightBufferWords, activationBufferWords, depthwiseGroupChannels } = target;
      return { law, ...array, weightBufferWords, activationBufferWords, depthwiseGroupChannels, energy: null };
    }
    case 'bismo-stages': {
      const { law, array, leftEntries, rightEntries, regions, portBitsPerCycle, sumBits, depthwiseGroupChannels } = target;
      return { law, ...array, leftEntries, rightEntries, regions, portBitsPerCycle, sumBits, depthwiseGroupChannels, energy: null };
    }
    case 'roofline':
      return { law: target.law, precisions: target.precisions, busBitsPerCycle: target.dramBitsPerCycle, energy: null };
  }
}

function toMemory(memory: TargetMemory, storedBits: number): NativeMemory {
  return {
    weightBufferBits: 8 * memory.weightBufferBytes,
    inputBufferBits: 8 * memory.inputBufferBytes,
    outputBufferBits: 8 * memory.outputBufferBytes,
    busBitsPerCycle: memory.dramBitsPerCycle,
    sumBits: memory.sumBits,
    storedBits,
    latencySlack: memory.latencySlack,
  };
}

function toEnergy(energy: Energy | null): NativeEnergy | null {
  if (energy === null) return null;
  const { compute, weightBuffer, inputBuffer, outputBuffer } = energy;
  return {
    macPj: compute.per === 'mac' ? compute.pj : 0,
    cyclePj: compute.per === 'cycle' ? compute.pj : 0,
    weightReadPj: weightBuffer.readPjPerBit,
    weightWritePj: weightBuffer.writePjPerBit,
    inputReadPj: inputBuffer.readPjPerBit,
    inputWritePj: inputBuffer.writePjPerBit,
    outputReadPj: outputBuffer.readPjPerBit,
    outputWritePj: outputBuffer.writePjPerBit,
    dramPj: energy.dramPjPerBit,
  };
}

/** The quantizable layers of a network; the first one reads the image. */
export function toNativeLayers(layers: readonly QuantizableLayer[]): NativeLayer[] {
  return layers.map((layer, index) => {
    const { name, kind, inChannels, outChannels, groups, kernel, stride, dilation } = layer;
    const [inHeight, inWidth] = sides(layer.inputShape);
    const [outHeight, outWidth] = sides(layer.outputShape);
    return {
      name,
      linear: kind === 'linear',
      first: index === 0,
      inChannels,
      outChannels,
      groups,
      kernelHeight: kernel[0],
      kernelWidth: kernel[1],
      strideHeight: stride[0],
      strideWidth: stride[1],
      dilationHeight: dilation[0],
      dilationWidth: dilation[1],
      inHeight,
      inWidth,
      outHeight,
      outWidth,
    };
  });
}

/** (H, W) of (H, W, C); a vector is one pixel. */
function sides(shape: readonly number[]): [number, number] {
  return shape.length === 3 ? [shape[0] ?? 1, shape[1] ?? 1] : [1, 1];
}

const simulators = new Map<string, Simulator>();
const mostSimulators = 8;

/** The simulator of a target; of the last few targets it is the same one, with all that it has simulated. */
export function simulatorOf(target: Target): Simulator {
  const native = toNativeTarget(target);
  const key = JSON.stringify(native);
  const found = simulators.get(key) ?? createSimulator(native);
  simulators.delete(key); // the newest is last
  simulators.set(key, found);
  const [oldest] = simulators.keys();
  if (simulators.size > mostSimulators && oldest !== undefined) simulators.delete(oldest);
  return found;
}
