/**
 * Least-squares weights for the layers that read channels which are gone (AMC, after He et al. 2017): each layer gives again, as
 * nearly as it can, what it gave with all its inputs. What the images have to say is collected once (second moments of what enters
 * each layer in the whole network); a choice of channels is then algebra alone, in the addon.
 */
import type { NativeControl, NativeDataset, NativeModel } from '../../compute/addon.ts';
import { inputsOf } from '../../network/graph.ts';
import type { Graph, GraphNode } from '../../network/graph.ts';
import { keptChannels, type KeptUnits } from '../../network/slice.ts';
import type { Coupling } from '../../network/coupling.ts';
import { product } from '../../network/shape.ts';
import type { NetworkValues } from '../../network/values.ts';

/** Relative to the mean variance of what stays; small beside the noise of 20,000 rows. */
const ridge = 1e-4;
/** Of all layers' moments; what does not fit keeps its weights as they are. */
const mostBytes = 2 ** 30;

interface Layer {
  readonly name: string;
  readonly input: string;
  readonly channels: number;
  /** Where a constant can go: the layer's own bias, or the running mean of the batch norm that alone reads it; null: nowhere. */
  readonly constant: { readonly node: string; readonly role: 'bias' | 'runningMean' } | null;
}

export interface ReconstructionImages {
  readonly dataset: NativeDataset;
  readonly indices: Uint32Array; // training images
  readonly samples: number; // output positions of each image
  readonly seed: number;
}

export class Reconstruction {
  readonly #model: NativeModel;
  readonly #coupling: Coupling;
  readonly #layers: readonly Layer[];
  /** Layers whose moments would not fit into memory, and grouped convolutions: they are sliced and no more. */
  readonly left: readonly string[];

  private constructor(model: NativeModel, coupling: Coupling, layers: readonly Layer[], left: readonly string[]) {
    this.#model = model;
    this.#coupling = coupling;
    this.#layers = layers;
    this.left = left;
  }

  /** Collects the moments of all layers that can lose inputs. Throws LatheError cancelled. */
  static async collect(
    graph: Graph,
    coupling: Coupling,
    model: NativeModel,
    { dataset, indices, samples, seed }: ReconstructionImages,
    control: NativeControl,
  ): Promise<Reconstruction> {
    const losing = new Set(coupling.groups.filter(({ locked }) => locked === null).flatMap(({ consumers }) => consumers));
    const layers: Layer[] = [];
    const left: string[] = [];
    let bytes = 0;
    for (const node of graph.nodes.filter(({ spec }) => losing.has(spec.name))) {
      const { spec } = node;
      const columns = (node.inputShapes[0]?.at(-1) ?? 0) * (spec.kind === 'conv' ? product(spec.kernel) : 1);
      const own = columns ** 2 * Float64Array.BYTES_PER_ELEMENT;
      if ((spec.kind === 'conv' && spec.groups > 1) || bytes + own > mostBytes) left.push(spec.name);
      else {
        bytes += own;
        layers.push({
          name: spec.name,
          input: inputsOf(spec)[0] ?? '',
          channels: node.inputShapes[0]?.at(-1) ?? 0,
          constant: constantOf(graph, node),
        });
      }
    }
    await model.collectMoments({ dataset, indices, samples, seed, ops: layers.map(({ name }) => name), control });
    return new Reconstruction(model, coupling, layers, left);
  }

  /** The values of a sliced network with new weights where a layer has lost inputs. `sliced` is what slicing gave with `kept`. */
  async apply(sliced: NetworkValues, kept: KeptUnits): Promise<NetworkValues> {
    const changed = this.#layers.flatMap((layer) => {
      const channels = keptChannels(layer.input, kept, this.#coupling);
      if (channels.length === layer.channels) return [];
      return [{ layer, channels, rows: keptChannels(layer.name, kept, this.#coupling) }];
    });
    const solved = await this.#model.reconstruct({
      ridge,
      layers: changed.map(({ layer, channels, rows }) => ({
        op: layer.name,
        channels: Uint32Array.from(channels),
        rows: Uint32Array.from(rows),
        intercept: layer.constant !== null,
      })),
    });
    const values = new Map(sliced);
    changed.forEach(({ layer }, index) => {
      const found = solved[index];
      if (!found) throw new Error(`${layer.name}: no weights were found for it`);
      values.set(layer.name, { ...values.get(layer.name), weight: found.weight });
      if (!layer.constant) return;
      const { node, role } = layer.constant;
      const old = values.get(node)?.[role];
      const sign = role === 'bias' ? 1 : -1; // y' + c through a batch norm: its mean is c less
      values.set(node, { ...values.get(node), [role]: found.shift.map((shift, row) => (old?.[row] ?? 0) + sign * shift) });
    });
    return values;
  }
}

function constantOf(graph: Graph, { spec }: GraphNode): Layer['constant'] {
  if ((spec.kind === 'conv' || spec.kind === 'linear') && spec.bias) return { node: spec.name, role: 'bias' };
  const readers = graph.nodes.filter((other) => inputsOf(other.spec).includes(spec.name));
  const [only] = readers;
  return readers.length === 1 && only?.spec.kind === 'batchNorm' ? { node: only.spec.name, role: 'runningMean' } : null;
}
