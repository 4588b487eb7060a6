/**
 * Fine-grained pruning: single weights go, the smallest of each layer first (Han et al. 2015); how many stay of each layer is what
 * is searched (AMC, section 4.1, "fine-grained"). The graph stays; what is gone is zero, is not stored, and stays zero in training.
 */
import { LatheError } from '../../../shared/errors.ts';
import { quantizableLayers } from '../../network/graph.ts';
import type { Graph, QuantizableLayer } from '../../network/graph.ts';
import { sparseBytes } from '../../network/sparse.ts';
import { Counted, requireOrder, unitsOf, type Bounds, type Counts, type Decision } from './decisions.ts';

/** A layer's weights go in so many steps. */
const stepsPerLayer = 64;

/**
 * The decisions of a graph: its convolution and linear layers, with at most as many weights as `left` says that earlier stages have
 * left. Throws LatheError bad-input for bounds of a layer that there is not.
 */
export function weightDecisionsOf(graph: Graph, bounds: Bounds, left?: ReadonlyMap<string, number>): Decision[] {
  const layers = quantizableLayers(graph);
  requireOrder('the smallest ratio', bounds);
  for (const own of bounds.groups) {
    if (!layers.some(({ name }) => name === own.group)) {
      throw new LatheError('bad-input', `there is no layer ${own.group}; the layers are ${layers.map(({ name }) => name).join(', ')}`);
    }
    requireOrder(`layer ${own.group}: its smallest ratio`, own);
  }
  const decisions = layers.map((layer): Decision => {
    const { minimumRatio, maximumRatio } = bounds.groups.find(({ group }) => group === layer.name) ?? bounds;
    const step = Math.max(1, Math.round(layer.weights / stepsPerLayer));
    const present = left?.get(layer.name) ?? layer.weights;
    const unitsAt = (ratio: number): number => (ratio === 1 ? layer.weights : unitsOf(ratio, layer.weights, step));
    const minimum = Math.min(present, unitsAt(minimumRatio));
    const maximum = Math.min(present, Math.max(minimum, unitsAt(maximumRatio)));
    return { name: layer.name, units: layer.weights, step, minimum, maximum, layer };
  });
  if (!decisions.some(({ minimum, maximum }) => minimum < maximum)) {
    throw new LatheError('bad-input', 'no layer can lose a weight: lower the smallest ratio');
  }
  return decisions;
}

/** What is left with so many weights a layer that are not zero. */
export class WeightCounts extends Counted {
  readonly #layers: readonly QuantizableLayer[];
  readonly #others: number; // biases and batch norms, all of which stay

  constructor(graph: Graph, decisions: readonly Decision[]) {
    super(decisions);
    this.#layers = decisions.map(({ layer }) => layer);
    this.#others = graph.params - this.#layers.reduce((sum, { weights }) => sum + weights, 0);
  }

  /** Multiply-accumulates with a weight that is not zero: what an array that skips zeros would do, and no other. */
  macs(counts: Counts): number {
    return this.#layers.reduce((sum, { outputPixels }, t) => sum + (counts[t] ?? 0) * outputPixels, 0);
  }

  params(counts: Counts): number {
    return this.#layers.reduce((sum, _, t) => sum + (counts[t] ?? 0), this.#others);
  }

  bytes(counts: Counts): number {
    return this.#layers.reduce((sum, { weights }, t) => sum + sparseBytes(weights, counts[t] ?? weights), this.#others * 4);
  }
}

/** A layer's weights from the largest magnitude down; of equal ones the first. */
export function magnitudeOrder(weight: Float32Array): Uint32Array {
  const magnitudes = weight.map(Math.abs);
  return Uint32Array.from(weight.keys()).sort((a, b) => (magnitudes[b] ?? 0) - (magnitudes[a] ?? 0) || a - b);
}
