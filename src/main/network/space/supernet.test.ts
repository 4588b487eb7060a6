/** The supernet against a model of the same path, and its gates against finite differences. */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import type { SearchSpace } from '../../../shared/space.ts';
import { createGraph, type NodeSpec } from '../graph.ts';
import { initialParameters, toNativeProgram } from '../program.ts';
import { SpacePrograms } from './programs.ts';
import { pathGraph, zero, type Path, type SpaceFit } from './space.ts';
import { findSpace } from './spaces.ts';
import { addonInfo, createModel, createSupernet, setThreads, type Supernet } from '../../compute/index.ts';
import { firstIndices, randomImages } from '../../compute/test-kit.ts';

const space: SearchSpace = {
  id: 'test',
  title: 'Test',
  source: '',
  inputSize: 12,
  stem: { channels: 6, stride: 1 },
  first: { channels: 4 },
  stages: [
    { channels: 8, blocks: 2, stride: 2 },
    { channels: 12, blocks: 2, stride: 1 },
  ],
  last: { channels: 16 },
  candidates: ['k3e3', 'k5e2', 'k7e1', 'zero'],
};
const spacesFolder = fileURLToPath(new URL('../../../../resources', import.meta.url));
const fit: SpaceFit = { shape: [12, 12, 2], classes: 5 };
const programs = new SpacePrograms(space, fit);
const images = randomImages(Random.fromSeed(2), 64, fit.shape, fit.classes);
const before = addonInfo();
beforeAll(() => setThreads(2));
afterAll(() => setThreads(before.threads));

function makeSupernet(): Supernet {
  const supernet = createSupernet(programs.ops);
  supernet.setState(initialParameters(supernet.parameters, Random.fromSeed(1)));
  return supernet;
}

const settings = {
  dataset: images.dataset,
  batchSize: 16,
  momentum: 0.9,
  nesterov: true,
  weightDecay: 0.01,
  decayAll: true,
  labelSmoothing: 0.1,
  seed: 4,
};
const order = (steps: number): Uint32Array => Uint32Array.from({ length: 16 * steps }, (_, i) => (i * 7) % 64);

describe('a supernet', () => {
  it('refuses two operators of one name, a path of another space, and candidates that do not fit', async () => {
    expect(() => createSupernet([...programs.ops, ...programs.ops.slice(0, 1)])).toThrow(/two operators are named/);
    const foreign = {
      ...programs.program([0, 0, 0, 0]),
      ops: programs.program([0, 0, 0, 0]).ops.map((op) => ({ ...op, name: `x${op.name}` })),
    };
    await expect(
      makeSupernet().train({ ...settings, order: order(1), learningRates: Float32Array.of(0.1), paths: [foreign] }),
    ).rejects.toThrow(/has no such operator/);
    await expect(makeSupernet().train({ ...settings, order: order(1), learningRates: Float32Array.of(0.1), paths: [] })).rejects.toThrow(
      /paths must have 1/,
    );
    const { program, edges } = programs.path([0, 0, 0, 0]);
    const wrong = edges.slice(0, 1).map((edge) => ({ ...edge, others: [programs.candidate(3, 0)] }));
    await expect(makeSupernet().gates({ dataset: images.dataset, order: order(1), path: program, edges: wrong })).rejects.toThrow();
  });

  it('trains a path as a model of that network does, bit for bit, and touches nothing else', async () => {
    const path: Path = [1, 2, 0, 1];
    const supernet = makeSupernet();
    const start = supernet.getState();
    const model = createModel(programs.program(path));
    const values = valuesOf(supernet, start.parameters);
    model.setState(pack(model, values));
    const rates = Float32Array.of(0.1, 0.05, 0.02);
    const one = await supernet.train({
      ...settings,
      order: order(3),
      learningRates: rates,
      paths: rates.length ? Array.from(rates, () => programs.program(path)) : [],
    });
    const two = await model.train({ ...settings, order: order(3), learningRates: rates });
    expect(Array.from(one.losses)).toEqual(Array.from(two.losses));
    const after = supernet.getState();
    expect(pack(model, valuesOf(supernet, after.parameters))).toEqual(model.getState().parameters);
    expect(pack(model, valuesOf(supernet, after.momentum))).toEqual(model.getState().momentum);
    const onPath = new Set(programs.program(path).ops.map((op) => op.name));
    for (const { op, offset, length } of supernet.parameters) {
      if (onPath.has(op)) continue;
      expect(after.parameters.slice(offset, offset + length)).toEqual(start.parameters.slice(offset, offset + length));
      expect(after.momentum.slice(offset, offset + length).every((value) => value === 0)).toBe(true);
    }
  });

  it('gives the same bits with one thread and with two, whatever paths alternate', async () => {
    const run = async (threads: number): Promise<Float32Array> => {
      setThreads(threads);
      const supernet = makeSupernet();
      const paths = [
        [0, 0, 0, 0],
        [2, 3, 1, 3],
        [1, 1, 2, 0],
      ].map((path) => programs.program(path));
      await supernet.train({ ...settings, order: order(3), learningRates: Float32Array.of(0.1, 0.1, 0.1), paths });
      setThreads(2);
      return supernet.getState().parameters;
    };
    expect(await run(1)).toEqual(await run(2));
  });
});

describe('gates', () => {
  /** A network in which every candidate of every block runs, and each one's output counts as much as its gate says. */
  function mixedSpecs(): NodeSpec[] {
    const byName = new Map<string, NodeSpec>();
    const [first] = [pathGraph(space, fit, [0, 0, 0, 0])];
    for (const { spec } of first.nodes) if (!/^b[2-5]_/.test(spec.name) && !/^(last|pool|fc)/.test(spec.name)) byName.set(spec.name, spec);
    const specs = [...byName.values()];
    let input = 'b1_project_bn';
    for (const [index, block] of programs.blocks.entries()) {
      const outputs: string[] = [];
      for (const [choice, candidate] of block.candidates.entries()) {
        if (candidate === 'zero') continue;
        const prefix = `${block.name}_${candidate}_`;
        const path = [0, 0, 0, 0].map((zeroth, at) => (at === index ? choice : zeroth));
        const own = pathGraph(space, fit, path)
          .nodes.map((node) => node.spec)
          .filter((spec) => spec.name.startsWith(prefix) && spec.kind !== 'add');
        let last = input;
        for (const spec of own) {
          specs.push({ ...spec, input: last } as NodeSpec);
          last = spec.name;
        }
        specs.push({ kind: 'channelAffine', name: `${block.name}_gate_${choice}`, input: last, trained: false });
        outputs.push(`${block.name}_gate_${choice}`);
      }
      specs.push({ kind: 'add', name: `${block.name}_sum`, inputs: block.keepsShape ? [input, ...outputs] : outputs });
      input = `${block.name}_sum`;
    }
    const tail = first.nodes.map((node) => node.spec).filter((spec) => /^(last|pool|fc)/.test(spec.name));
    return [...specs, ...tail.map((spec, i) => (i === 0 ? ({ ...spec, input } as NodeSpec) : spec))];
  }

  const mixed = createModel(toNativeProgram(createGraph(fit.shape, mixedSpecs())));
  const gateName = /_gate_(\d+)$/;

  /** The loss of a batch where the gates of block `block` are these and those of the others open `active`. */
  async function lossAt(values: ReadonlyMap<string, Float32Array>, active: Path, block: number, gates: readonly number[]): Promise<number> {
    const all = new Map(values);
    for (const { op, role } of mixed.parameters) {
      const choice = Number(gateName.exec(op)?.[1] ?? -1);
      if (choice < 0) continue;
      const at = programs.blocks.findIndex(({ name }) => op.startsWith(`${name}_`));
      const gate = at === block ? (gates[choice] ?? 0) : Number(active[at] === choice);
      const channels = programs.blocks[at]?.outChannels ?? 0;
      all.set(`${op}/${role}`, new Float32Array(channels).fill(role === 'scale' ? gate : 0));
    }
    mixed.setState(pack(mixed, all));
    const { losses } = await mixed.train({
      dataset: images.dataset,
      order: order(1),
      batchSize: 16,
      learningRates: Float32Array.of(0),
      momentum: 0,
      weightDecay: 0,
    });
    return losses[0] ?? Number.NaN;
  }

  it.each([
    ['every block runs a candidate', [0, 1, 2, 0]],
    ['Zero runs twice in a row', [1, 3, 0, 3]],
  ] as const)('have the gradients that finite differences of the loss give: %s', async (_, active) => {
    const supernet = makeSupernet();
    const { parameters } = supernet.getState();
    const fc = supernet.parameters.find(({ op, role }) => op === 'fc' && role === 'weight');
    const weights = parameters.subarray(fc?.offset, (fc?.offset ?? 0) + (fc?.length ?? 0));
    weights.set(weights.map((value) => value * 60)); // so that the loss depends on what is measured
    supernet.setState(parameters);
    const values = valuesOf(supernet, parameters);
    const { program, edges } = programs.path(active);
    const isZero = (block: number, choice: number): boolean => programs.blocks[block]?.candidates[choice] === 'zero';
    const asked = edges.map((edge, block) => ({
      ...edge,
      others: (programs.blocks[block]?.candidates ?? []).flatMap((_c, choice) =>
        choice === active[block] || isZero(block, choice) ? [] : [programs.candidate(block, choice)],
      ),
    }));
    const result = await supernet.gates({ dataset: images.dataset, order: order(1), path: program, edges: asked });
    const slopes: number[] = [];
    for (const [block, { candidates }] of programs.blocks.entries()) {
      const own = candidates.map((_c, choice) => Number(choice === active[block]));
      const real = candidates.flatMap((_c, choice) => (isZero(block, choice) ? [] : [choice]));
      const inOrder = [...real.filter((choice) => choice === active[block]), ...real.filter((choice) => choice !== active[block])];
      for (const choice of inOrder) {
        const h = 3e-4; // below it the loss, a float, is too coarse; above it values cross the bends of ReLU6
        const moved = (by: number): number[] => own.map((gate, k) => (k === choice ? gate + by : gate));
        const slope = ((await lossAt(values, active, block, moved(h))) - (await lossAt(values, active, block, moved(-h)))) / (2 * h);
        slopes.push(slope);
      }
    }
    const norm = (values: readonly number[]): number => Math.hypot(...values);
    expect(slopes).toHaveLength(result.gates.length);
    expect(norm(slopes.map((slope, i) => slope - (result.gates[i] ?? Number.NaN)))).toBeLessThan(0.02 * norm(slopes));
    expect(result.gates.some((gate) => Math.abs(gate) > 0.1)).toBe(true);
    expect(result.loss).toBeCloseTo(await lossAt(values, active, -1, []), 5);
  });

  it('change nothing', async () => {
    const supernet = makeSupernet();
    const start = supernet.getState();
    const { program, edges } = programs.path([0, 0, 0, 0]);
    const others = edges.map((edge, block) => ({ ...edge, others: [programs.candidate(block, 1)] }));
    await supernet.gates({ dataset: images.dataset, order: firstIndices(16), path: program, edges: others });
    expect(supernet.getState()).toEqual(start);
  });

  it.each([
    ['small', 32, 16],
    ['proxyless', 224, 1],
  ] as const)('hold at most 1.2 times the tensors of the path that runs, in space %s at %i pixels', async (id, side, batch) => {
    const space = findSpace(spacesFolder, id);
    const large = new SpacePrograms(space, { shape: [side, side, 3], classes: 10 });
    const random = Random.fromSeed(6);
    const { dataset } = randomImages(random, batch, [side, side, 3], 10);
    const supernet = createSupernet(large.ops);
    supernet.setState(initialParameters(supernet.parameters, random));
    const bytesOf = async (path: Path, others: (block: number) => readonly number[]): Promise<{ pathBytes: number; peakBytes: number }> => {
      const { program, edges } = large.path(path);
      const asked = edges.map((edge, block) => ({
        ...edge,
        others: others(block).flatMap((choice) =>
          choice === path[block] || isZero(block, choice) ? [] : [large.candidate(block, choice)],
        ),
      }));
      return await supernet.gates({ dataset, order: firstIndices(batch), path: program, edges: asked });
    };
    const isZero = (block: number, choice: number): boolean => large.blocks[block]?.candidates[choice] === zero;
    const drawn = (): number[] => large.blocks.map(({ candidates }) => random.uniformInt(0, candidates.length - 1));
    let largest = 0;
    for (let step = 0; step < 2; step += 1) {
      const [path, rival] = [drawn(), drawn()];
      const { pathBytes, peakBytes } = await bytesOf(path, (block) => [rival[block] ?? 0]);
      expect(peakBytes / pathBytes).toBeLessThan(1.2);
      largest = Math.max(largest, pathBytes);
    }
    // The least path of all, while the largest candidates compete, holds more than itself and less than the others.
    const least = large.blocks.map(({ candidates }) => Math.max(0, candidates.indexOf(zero)));
    const { pathBytes, peakBytes } = await bytesOf(least, (block) => [large.blocks[block]?.candidates.indexOf('k7e6') ?? 0]);
    expect(peakBytes).toBeGreaterThan(pathBytes);
    expect(peakBytes).toBeLessThan(1.2 * largest);
  });
});

function valuesOf(supernet: Supernet, flat: Float32Array): Map<string, Float32Array> {
  return new Map(supernet.parameters.map(({ op, role, offset, length }) => [`${op}/${role}`, flat.slice(offset, offset + length)]));
}

function pack(model: { readonly parameters: Supernet['parameters'] }, values: ReadonlyMap<string, Float32Array>): Float32Array {
  const flat = new Float32Array(model.parameters.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const { op, role, offset } of model.parameters) flat.set(values.get(`${op}/${role}`) ?? [], offset);
  return flat;
}
