/**
 * The shared weights of all candidates, as a search trains and asks them: a weight step trains one path on one batch, the gates are
 * read on batches of other images. What is drawn at a step depends on the seed and the step's number alone, so that a checkpoint
 * needs the values and the numbers.
 */
import type { NativeControl, NativeDataset, NativeGateEdge } from '../../compute/addon.ts';
import type { Supernet } from '../../compute/index.ts';
import type { Random } from '../../../shared/random.ts';
import type { SpecializeParameters } from '../../../shared/specialize.ts';
import { LatheError } from '../../../shared/errors.ts';
import type { SpacePrograms } from '../../network/space/programs.ts';
import { zero, type Path } from '../../network/space/space.ts';
import type { GateOracle } from './gradient.ts';

/** Bytes: tensors of the largest path whose gates were read, and the most that was held at once. */
export interface SupernetMemory {
  readonly pathBytes: number;
  readonly peakBytes: number;
}

export interface SupernetState {
  readonly parameters: Float32Array;
  readonly momentum: Float32Array;
  readonly weightSteps: number;
  readonly architectureBatches: number;
  readonly memory?: SupernetMemory | null; // absent: of a checkpoint from before it was kept
}

export interface WeightSteps {
  readonly steps: number; // fewer than asked after a cancel
  readonly loss: number;
  readonly accuracy: number;
}

export class SupernetTraining implements GateOracle {
  readonly batchSize: number;
  /** Tensors of the largest path whose gates were read, and the most that was held at once, in bytes. */
  memory: SupernetMemory | null = null;
  private readonly supernet: Supernet;
  private readonly programs: SpacePrograms;
  private readonly dataset: NativeDataset;
  private readonly weightImages: Uint32Array;
  private readonly architectureImages: Uint32Array;
  private readonly parameters: SpecializeParameters;
  private readonly random: Random;
  private readonly control: NativeControl;
  private readonly drawSeed: number;
  private done = 0;
  private batches = 0;
  private readonly orders = new Map<string, { readonly epoch: number; readonly order: Uint32Array }>();

  constructor(
    supernet: Supernet,
    programs: SpacePrograms,
    dataset: NativeDataset,
    images: { readonly weights: Uint32Array; readonly architecture: Uint32Array },
    parameters: SpecializeParameters,
    random: Random,
    control: NativeControl,
  ) {
    this.supernet = supernet;
    this.programs = programs;
    this.dataset = dataset;
    this.weightImages = images.weights;
    this.architectureImages = images.architecture;
    this.parameters = parameters;
    this.random = random;
    this.control = control;
    this.batchSize = Math.min(parameters.batchSize, images.weights.length, images.architecture.length);
    this.drawSeed = random.derive('augmentation and dropout').uint32();
  }

  get weightSteps(): number {
    return this.done;
  }

  get stepsPerEpoch(): number {
    return Math.floor(this.weightImages.length / this.batchSize);
  }

  /** Trains a path a step, each path as `pathOf` draws it, at these rates. */
  async train(learningRates: readonly number[], pathOf: (random: Random) => Path): Promise<WeightSteps> {
    const { batchSize, parameters, done } = this;
    const steps = learningRates.map((_, i) => done + i);
    const result = await this.supernet.train({
      dataset: this.dataset,
      order: Uint32Array.from(steps.flatMap((step) => [...this.batchOf('epoch', this.weightImages, step)])),
      batchSize,
      learningRates: Float32Array.from(learningRates),
      paths: steps.map((step) => this.programs.program(pathOf(this.random.derive(`path ${String(step)}`)))),
      momentum: 0.9,
      nesterov: true,
      weightDecay: parameters.weightDecay,
      decayAll: true,
      labelSmoothing: parameters.labelSmoothing,
      augmentation: { cropPadding: parameters.cropPadding, flip: parameters.flip, cutout: 0 },
      seed: this.drawSeed,
      firstStep: done,
      control: this.control,
    });
    this.done += result.stepsDone;
    const mean = (values: ArrayLike<number>): number =>
      Array.from(values).reduce((sum, value) => sum + value, 0) / Math.max(1, result.stepsDone);
    return { steps: result.stepsDone, loss: mean(result.losses), accuracy: mean(result.correct) / batchSize };
  }

  /** On the next batch of the architecture's images. A gate of Zero has no gradient of its own: 0. */
  async gates(
    active: Path,
    candidates: readonly (readonly number[])[],
  ): Promise<{ readonly loss: number; readonly gates: readonly (readonly number[])[] }> {
    const { program, edges } = this.programs.path(active);
    const isZero = (block: number, choice: number): boolean => this.programs.blocks[block]?.candidates[choice] === zero;
    const asked = edges.map((edge, block): NativeGateEdge => ({
      ...edge,
      others: (candidates[block] ?? [])
        .filter((choice) => choice !== active[block] && !isZero(block, choice))
        .map((choice) => this.programs.candidate(block, choice)),
    }));
    const order = this.batchOf('architecture epoch', this.architectureImages, this.batches);
    const result = await this.supernet.gates({ dataset: this.dataset, order, path: program, edges: asked, control: this.control });
    if (result.cancelled) throw new LatheError('cancelled', 'cancelled on request');
    this.batches += 1;
    this.memory = {
      pathBytes: Math.max(result.pathBytes, this.memory?.pathBytes ?? 0),
      peakBytes: Math.max(result.peakBytes, this.memory?.peakBytes ?? 0),
    };
    let next = 0;
    const gates = edges.map((edge, block) => {
      const of = new Map<number, number>();
      if (edge.active !== undefined) of.set(active[block] ?? 0, result.gates[next++] ?? 0);
      for (const choice of candidates[block] ?? []) {
        if (choice !== active[block] && !isZero(block, choice)) of.set(choice, result.gates[next++] ?? 0);
      }
      return (candidates[block] ?? []).map((choice) => of.get(choice) ?? 0);
    });
    return { loss: result.loss, gates };
  }

  /** Share of right answers on the first images of the architecture's, with each batch's own statistics in batch norm. */
  async accuracyOf(path: Path, images: number): Promise<number> {
    const { program } = this.programs.path(path);
    const batch = Math.min(images, this.architectureImages.length, 250);
    let correct = 0;
    let count = 0;
    while (count + batch <= Math.min(images, this.architectureImages.length)) {
      const order = this.architectureImages.slice(count, count + batch);
      const result = await this.supernet.gates({ dataset: this.dataset, order, path: program, edges: [], control: this.control });
      if (result.cancelled) throw new LatheError('cancelled', 'cancelled on request');
      correct += result.correct;
      count += batch;
    }
    return correct / count;
  }

  /** The shared weights that a network of the space takes over, by their operators' names. */
  valuesOf(): ReadonlyMap<string, Float32Array> {
    const { parameters } = this.supernet.getState();
    return new Map(
      this.supernet.parameters.map(({ op, role, offset, length }) => [`${op}/${role}`, parameters.slice(offset, offset + length)]),
    );
  }

  save(): SupernetState {
    const { parameters, momentum } = this.supernet.getState();
    return { parameters, momentum, weightSteps: this.done, architectureBatches: this.batches, memory: this.memory };
  }

  restore(state: SupernetState): void {
    this.supernet.setState(state.parameters, state.momentum);
    this.done = state.weightSteps;
    this.batches = state.architectureBatches;
    this.memory = state.memory ?? null;
  }

  /** Batch number `step` of an endless series of epochs, each in an order of its own; the last incomplete batch is left out. */
  private batchOf(label: string, images: Uint32Array, step: number): Uint32Array {
    const perEpoch = Math.floor(images.length / this.batchSize);
    const epoch = Math.floor(step / perEpoch);
    let kept = this.orders.get(label);
    if (kept?.epoch !== epoch) {
      const order = this.random
        .derive(`${label} ${String(epoch)}`)
        .permutation(images.length)
        .map((position) => images[position] ?? 0);
      kept = { epoch, order };
      this.orders.set(label, kept);
    }
    const from = (step % perEpoch) * this.batchSize;
    return kept.order.slice(from, from + this.batchSize);
  }
}
