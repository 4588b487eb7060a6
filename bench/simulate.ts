/**
 * Speed of the simulator on one core: closed forms in batches, tiled layers with their search and from memory, a network's whole
 * table, one policy's cost.
 */
import type { SimulatedTarget } from '../src/shared/target.ts';
import { createSimulator } from '../src/main/compute/index.ts';
import { costTable } from '../src/main/hardware/cost-table.ts';
import { toNativeLayers, toNativeTarget } from '../src/main/hardware/native.ts';
import { listTargets, findTarget } from '../src/main/hardware/targets.ts';
import { quantizableLayers } from '../src/main/network/graph.ts';
import { resolveNetwork } from '../src/main/network/zoo.ts';

const { graph } = resolveNetwork({ id: 'mobilenet-v2' });
const layers = toNativeLayers(quantizableLayers(graph));

/** Every layer at all 64 pairs of bits, `times` over. */
function rows(times: number): { layer: Uint32Array; weightBits: Uint8Array; activationBits: Uint8Array } {
  const count = layers.length * 64 * times;
  return {
    layer: Uint32Array.from({ length: count }, (_, i) => Math.floor(i / 64) % layers.length),
    weightBits: Uint8Array.from({ length: count }, (_, i) => 1 + ((i >> 3) & 7)),
    activationBits: Uint8Array.from({ length: count }, (_, i) => 1 + (i & 7)),
  };
}

/** Something that the simulator does, and how fast it is to be. */
export interface Simulation {
  readonly work: string;
  readonly unit: string;
  readonly goal: string; // empty: none
  measure(): number;
}

/** Seconds of the fastest of five. */
function seconds(work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const begun = performance.now();
    work();
    best = Math.min(best, (performance.now() - begun) / 1000);
  }
  return best;
}

const many = rows(20);
const once = rows(1);

function closedForm(id: string, goal: string): Simulation {
  return {
    work: `${id}: layer evaluations in batches`,
    unit: '1/s',
    goal,
    measure: () => {
      const simulator = createSimulator(toNativeTarget(findTarget(id).target));
      return many.layer.length / seconds(() => simulator.run(layers, many, 16));
    },
  };
}

/** A new simulator knows nothing: all distinct layers of the network are searched, the equal ones come from memory. */
function tiled(target: SimulatedTarget): readonly Simulation[] {
  const distinct = new Set(layers.map(({ name: _name, ...shape }) => JSON.stringify(shape))).size * 64;
  const cold = (): number => seconds(() => createSimulator(toNativeTarget(target)).run(layers, once, 16));
  const warm = (): number => {
    const simulator = createSimulator(toNativeTarget(target));
    simulator.run(layers, once, 16);
    return seconds(() => simulator.run(layers, many, 16));
  };
  return [
    { work: `${target.id}: a layer with its search`, unit: 'us', goal: 'below 1000', measure: () => (1e6 * cold()) / distinct },
    { work: `${target.id}: a layer from memory`, unit: 'us', goal: 'below 2', measure: () => (1e6 * warm()) / many.layer.length },
    { work: `${target.id}: ${String(layers.length)} layers x 64 pairs of bits`, unit: 's', goal: 'below 1', measure: cold },
  ];
}

/** Microseconds of one policy's cost from a network's table. */
function policyCost(): number {
  const table = costTable(graph, findTarget('bitfusion').target, 16);
  const policy = { weightBits: table.layers.map((_, i) => 1 + (i % 8)), activationBits: table.layers.map((_, i) => 8 - (i % 8)) };
  const repeats = 20_000;
  const each = seconds(() => {
    for (let i = 0; i < repeats; i++) table.costOf(policy);
  });
  return (1e6 * each) / repeats;
}

export function listSimulations(): readonly Simulation[] {
  return [
    closedForm('bismo-cloud', 'at least 1,000,000'),
    closedForm('bismo-edge', ''),
    closedForm('v100-roofline', ''),
    ...listTargets().flatMap(({ target }) =>
      target.law === 'systolic' || target.law === 'bitfusion' || target.law === 'row-stationary' ? tiled(target) : [],
    ),
    { work: `one policy of ${String(layers.length)} layers from the table`, unit: 'us', goal: 'below 50', measure: policyCost },
  ];
}
