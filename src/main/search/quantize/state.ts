/** What HAQ's agent sees of a layer (Wang et al. 2019, section 3.1; `_build_state_embedding` of the released code). */
import type { LayerInfo } from '../../../shared/network.ts';

/** Columns of an observation: eight of the layer, the previous action, and which of the two decisions is asked for. */
export const stateSize = 10;
const previousActionColumn = 8;
const decisionColumn = 9;

export type Decision = 'weights' | 'activations';

/**
 * The observations of a network's layers: every layer column scaled to 0..1 over the network; a column that is the same
 * everywhere tells the agent nothing and becomes 0.
 */
export class LayerStates {
  private readonly rows: readonly Float32Array[];

  constructor(layers: readonly LayerInfo[]) {
    const raw = layers.map((layer, index) => layerColumns(layer, index));
    const columns = raw[0]?.length ?? 0;
    const rows = raw.map(() => new Float32Array(stateSize));
    for (let column = 0; column < columns; column += 1) {
      const values = raw.map((row) => row[column] ?? 0);
      const low = Math.min(...values);
      const span = Math.max(...values) - low;
      values.forEach((value, layer) => {
        const row = rows[layer];
        if (row) row[column] = span > 0 ? (value - low) / span : 0;
      });
    }
    this.rows = rows;
  }

  /** The observation (10) before a decision; `previousAction` is the bits decided last, over the most bits. */
  observe(layer: number, decision: Decision, previousAction: number): Float32Array {
    const row = this.rows[layer];
    if (!row) throw new RangeError(`layer ${String(layer)} outside 0..${String(this.rows.length - 1)}`);
    const state = row.slice();
    state[previousActionColumn] = previousAction;
    state[decisionColumn] = decision === 'activations' ? 1 : 0;
    return state;
  }
}

/** Depthwise, input channels, output channels, stride, kernel, weights, input pixels, index. */
function layerColumns(layer: LayerInfo, index: number): number[] {
  const [first = 1, second = 1, third] = layer.inputShape;
  const isLinear = layer.kind === 'linear';
  const inChannels = isLinear ? layer.inputShape.reduce((product, side) => product * side, 1) : (third ?? first);
  const outChannels = layer.outputShape.at(-1) ?? 1;
  return [
    layer.kind === 'depthwise' ? 1 : 0,
    inChannels,
    outChannels,
    isLinear ? 0 : side(layer.stride),
    side(layer.kernel),
    layer.params,
    isLinear ? inChannels : first * second,
    index,
  ];
}

/** Of a square window its side; of another that of the square of the same area. */
function side(window: LayerInfo['kernel']): number {
  const [height, width] = window ?? [1, 1];
  return height === width ? height : Math.sqrt(height * width);
}
