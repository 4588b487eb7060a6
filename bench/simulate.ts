/**
 * Speed of the simulator on one core: closed forms in batches, tiled layers with their search and from memory, a network's whole
 * table, one policy's cost. Run: node bench/simulate.ts
 */
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

function say(what: string, value: string, goal: string): void {
  process.stdout.write(`${what.padEnd(66)} ${value.padStart(14)}   ${goal}\n`);
}

const many = rows(20);
for (const id of ['bismo-cloud', 'bismo-edge', 'v100-roofline']) {
  const simulator = createSimulator(toNativeTarget(findTarget(id).target));
  const rate = many.layer.length / seconds(() => simulator.run(layers, many, 16));
  say(`${id}: layer evaluations a second, in batches`, rate.toFixed(0), id === 'bismo-cloud' ? 'at least 1,000,000' : '');
}

const once = rows(1);
for (const { target } of listTargets()) {
  if (target.law !== 'systolic' && target.law !== 'bitfusion' && target.law !== 'row-stationary') continue;
  // A new simulator knows nothing: all distinct layers of the network are searched, the equal ones come from memory.
  const distinct = new Set(layers.map(({ name: _name, ...shape }) => JSON.stringify(shape))).size * 64;
  const cold = seconds(() => createSimulator(toNativeTarget(target)).run(layers, once, 16));
  say(`${target.id}: a layer with its search, us`, ((1e6 * cold) / distinct).toFixed(1), 'below 1000');
  const warm = createSimulator(toNativeTarget(target));
  warm.run(layers, once, 16);
  say(
    `${target.id}: a layer from memory, us`,
    ((1e6 * seconds(() => warm.run(layers, many, 16))) / many.layer.length).toFixed(3),
    'below 2',
  );
  say(`${target.id}: 53 layers x 64 pairs of bits, s`, cold.toFixed(3), 'below 1');
}

const table = costTable(graph, findTarget('bitfusion').target, 16);
const policy = { weightBits: table.layers.map((_, i) => 1 + (i % 8)), activationBits: table.layers.map((_, i) => 8 - (i % 8)) };
const repeats = 20_000;
const each = seconds(() => {
  for (let i = 0; i < repeats; i++) table.costOf(policy);
});
say('one policy of 53 layers from the table, us', ((1e6 * each) / repeats).toFixed(2), 'below 50');
