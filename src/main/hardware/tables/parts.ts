/** Which keys a network needs of a table: per operator for any network, per layer at its bits, per block for inverted residuals. */
import { LatheError } from '../../../shared/errors.ts';
import type { TableScheme } from '../../../shared/latency-table.ts';
import { quantizableLayers, type Graph } from '../../network/graph.ts';
import type { Pair } from '../../network/shape.ts';
import { blockParts } from './block-parts.ts';
import { formatKey, type OperatorKey } from './keys.ts';
import { unitsOf, type Unit } from './units.ts';
import type { PolicyBits } from '../cost-table.ts';

/** A part of a network that has one key. */
export interface KeyedPart {
  readonly name: string; // of its first layer
  readonly key: string;
}

/** What a run of an `operators` table takes apart from its operators. */
export const sessionKey = 'session-input:1-output:1-bits:float';

/**
 * `bits` are for a table of layers alone, and needed there. Throws LatheError bad-input where the network is not made of the blocks
 * that a scheme has keys for, naming the layer.
 */
export function partsOf(graph: Graph, scheme: TableScheme, bits?: PolicyBits): KeyedPart[] {
  switch (scheme) {
    case 'operators':
      return operatorParts(graph);
    case 'layers':
      if (!bits) throw new LatheError('bad-input', 'a table of layers needs the bits of each layer');
      return layerParts(graph, bits);
    case 'proxylessnas':
    case 'once-for-all':
      return blockParts(graph, scheme);
  }
}

function operatorParts(graph: Graph): KeyedPart[] {
  return unitsOf(graph).flatMap((unit) => {
    const key = operatorKey(unit);
    return key === null ? [] : [{ name: unit.core.spec.name, key: formatKey(key) }];
  });
}

/** Null: costs nothing in inference. */
export function operatorKey({ core, sum, activation, outputShape }: Unit): OperatorKey | null {
  const { spec, inputShapes } = core;
  if (spec.kind === 'dropout' || spec.kind === 'flatten') return null;
  // A batch norm that could not be folded is a factor and a summand a channel.
  const kind = spec.kind === 'batchNorm' ? 'channelAffine' : spec.kind;
  const windowed = spec.kind === 'conv' || spec.kind === 'maxPool' || spec.kind === 'averagePool' ? spec : null;
  return {
    scheme: 'operator',
    kind,
    inputs: inputShapes,
    output: outputShape,
    kernel: windowed?.kernel ?? null,
    stride: windowed?.stride ?? null,
    dilation: spec.kind === 'conv' && !isOne(spec.dilation) ? spec.dilation : null,
    groups: spec.kind === 'conv' ? spec.groups : null,
    sum,
    activation,
    bits: null,
    first: false,
  };
}

function isOne([height, width]: Pair): boolean {
  return height === 1 && width === 1;
}

function layerParts(graph: Graph, bits: PolicyBits): KeyedPart[] {
  return quantizableLayers(graph).map((layer, index) => {
    const isConv = layer.kind !== 'linear';
    const key: OperatorKey = {
      scheme: 'operator',
      kind: isConv ? 'conv' : 'linear',
      inputs: [layer.inputShape],
      output: layer.outputShape,
      kernel: isConv ? layer.kernel : null,
      stride: isConv ? layer.stride : null,
      dilation: isConv && !isOne(layer.dilation) ? layer.dilation : null,
      groups: isConv ? layer.groups : null,
      sum: false,
      activation: null,
      bits: { weight: bits.weightBits[index] ?? 0, activation: bits.activationBits[index] ?? 0 },
      first: index === 0,
    };
    return { name: layer.name, key: formatKey(key) };
  });
}
