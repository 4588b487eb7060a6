/** Figures 3 and 4 of the paper: which layers get which bits on which hardware, and what that does under the roofline. */
import { roofline } from '../../../shared/roofline.ts';
import type { StudyTable } from '../../../shared/study.ts';
import { completed, found, meanAndSpread, type StudyDefinition, type StudyRun, type StudyWorld } from './definition.ts';
import { dataset, differences, mobilenetV1, presetWords, searchAt, seedsOf } from './haq-grid.ts';

const devices = ['bismo-edge', 'bismo-cloud'] as const;
const bits = '5';

const plan: StudyDefinition['plan'] = async (preset, world) => {
  const seed = seedsOf[preset][0] ?? 1;
  return await Promise.all(
    devices.map(async (target) => {
      const request = await searchAt(world, preset, mobilenetV1, target, bits, seed);
      return { labels: { target, seed: String(seed) }, request: () => request };
    }),
  );
};

export const figure3: StudyDefinition = {
  id: 'figure-3',
  title: 'Figure 3: bits per layer on edge and cloud',
  description: 'MobileNet-V1: weight and activation bits of every layer, with the operations per byte of memory traffic.',
  presets: presetWords,
  plan,
  report: async (runs, world) => {
    const [edge, cloud] = await Promise.all(devices.map((target) => layersOf(runs, target, world)));
    if (!edge || !cloud) return [];
    const means = (['depthwise', 'pointwise'] as const).flatMap((kind) =>
      (['weights', 'activations'] as const).map((side) => [
        `${kind} ${side}`,
        ...[edge, cloud].map((layers) => meanAndSpread(layers.filter((layer) => layer.kind === kind).map((layer) => layer[side])).mean),
      ]),
    );
    return [
      {
        title: 'Mean bits by kind of layer',
        columns: [
          { label: '', kind: 'text' },
          { label: 'edge (bits)', kind: 'ratio' },
          { label: 'cloud (bits)', kind: 'ratio' },
        ],
        rows: means,
        notes: [
          'Published: on the edge depthwise activations get much fewer bits than pointwise ones and weights alike; on the cloud activations alike and depthwise weights much more.',
          differences,
        ],
      },
      {
        title: 'Layer by layer',
        columns: [
          { label: 'layer', kind: 'text' },
          { label: 'kind', kind: 'text' },
          ...['edge', 'cloud'].flatMap((device) => [
            { label: `${device} weights (bits)`, kind: 'count' as const },
            { label: `${device} activations (bits)`, kind: 'count' as const },
            { label: `${device} MACs/byte`, kind: 'ratio' as const },
          ]),
        ],
        rows: (edge.length > 0 ? edge : cloud).map((layer, index) => [
          layer.name,
          layer.kind,
          ...[edge, cloud].flatMap((layers) => {
            const own = layers[index];
            return [own?.weights ?? null, own?.activations ?? null, own?.intensity ?? null];
          }),
        ]),
        notes: ['MACs per byte of memory traffic, at the bits found. The bars of each policy stand on its run’s page.'],
      },
    ];
  },
};

export const figure4: StudyDefinition = {
  id: 'figure-4',
  title: 'Figure 4: pointwise layers under the roofline',
  description: 'MobileNet-V1: operations per byte and operations per second of the pointwise layers at 8 bits and with the policy found.',
  presets: presetWords,
  plan,
  report: async (runs, world) => await Promise.all(devices.map((target) => rooflineTable(runs, target, world))),
};

interface PolicyLayer {
  readonly name: string;
  readonly kind: string;
  readonly weights: number;
  readonly activations: number;
  readonly intensity: number;
}

/** The found policy of the first completed run on this target. */
async function layersOf(runs: readonly StudyRun[], target: string, world: StudyWorld): Promise<PolicyLayer[]> {
  const run = completed(runs, { target })[0];
  const policy = run && found(run)?.policy;
  if (!run || !policy) return [];
  const simulation = await world.simulate({ network: run.detail.manifest.network, dataset, target, policy });
  return roofline(simulation).points.map(({ name, kind, weightBits, activationBits, intensity }) => ({
    name,
    kind,
    weights: weightBits,
    activations: activationBits,
    intensity,
  }));
}

async function rooflineTable(runs: readonly StudyRun[], target: string, world: StudyWorld): Promise<StudyTable> {
  const run = completed(runs, { target })[0];
  const policy = run && found(run)?.policy;
  const rows: StudyTable['rows'] = [];
  let better = 0;
  if (run && policy) {
    const { network } = run.detail.manifest;
    const before = roofline(await world.simulate({ network, dataset, target, weightBits: 8, activationBits: 8 }));
    const after = roofline(await world.simulate({ network, dataset, target, policy }));
    for (const [index, point] of after.points.entries()) {
      const old = before.points[index];
      if (point.kind !== 'pointwise' || !old) continue;
      if (point.intensity >= old.intensity && point.attained >= old.attained) better += 1;
      rows.push([point.name, old.intensity, point.intensity, old.attained / 1e9, point.attained / 1e9]);
    }
  }
  return {
    title: target,
    columns: [
      { label: 'layer', kind: 'text' },
      { label: '8 bits (MACs/byte)', kind: 'ratio' },
      { label: 'found (MACs/byte)', kind: 'ratio' },
      { label: '8 bits (GMAC/s)', kind: 'ratio' },
      { label: 'found (GMAC/s)', kind: 'ratio' },
    ],
    rows,
    notes: [`${String(better)} of ${String(rows.length)} pointwise layers moved up and to the right, as published for all.`, differences],
  };
}
