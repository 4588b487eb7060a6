/** A network of inverted residuals as the blocks of the ProxylessNAS and Once-for-All tables. A skipped block is not there: it costs nothing. */
import { LatheError } from '../../../shared/errors.ts';
import type { Graph } from '../../network/graph.ts';
import type { Shape } from '../../network/shape.ts';
import { formatKey, type BlockKey, type BlockType } from './keys.ts';
import type { KeyedPart } from './parts.ts';
import { unitsOf, type Unit } from './units.ts';

type BlockScheme = 'proxylessnas' | 'once-for-all';

/** Throws LatheError bad-input naming the first layer that no key of the scheme has a place for. */
export function blockParts(graph: Graph, scheme: BlockScheme): KeyedPart[] {
  const units = unitsOf(graph).filter(({ core }) => core.spec.kind !== 'flatten' && core.spec.kind !== 'dropout');
  const parts: KeyedPart[] = [];
  for (let at = 0; at < units.length;) {
    const found = at === 0 ? stem(units) : (invertedResidual(units, at, scheme) ?? tail(units, at, scheme));
    const name = units[at]?.core.spec.name ?? '';
    if (!found) {
      throw new LatheError(
        'bad-input',
        `${name}: a table of the ${scheme} scheme has keys for a stem, inverted residuals and the last layers; this layer is none of them`,
      );
    }
    if (found.key) parts.push({ name, key: formatKey(found.key) });
    at += found.units;
  }
  return parts;
}

interface Found {
  readonly key: BlockKey | null; // null: counted elsewhere
  readonly units: number;
}

const inputShape = ({ core }: Unit): Shape => image(core.inputShapes[0] ?? []);
/** A vector is one pixel. */
const image = (shape: Shape): Shape => (shape.length === 1 ? [1, 1, ...shape] : shape);

function plain(type: BlockType, input: Shape, output: Shape): BlockKey {
  return { scheme: 'block', type, input, output, block: null };
}

function stem([first]: readonly Unit[]): Found | null {
  if (first?.core.spec.kind !== 'conv' || first.core.spec.groups !== 1) return null;
  return { key: plain('Conv', inputShape(first), first.outputShape), units: 1 };
}

function isDepthwise(unit: Unit | undefined): boolean {
  return unit?.core.kind === 'depthwise';
}

function isPointwise(unit: Unit | undefined): boolean {
  return unit?.core.kind === 'pointwise';
}

/** [expand], depthwise, [squeeze and excitation], project without an activation. */
function invertedResidual(units: readonly Unit[], at: number, scheme: BlockScheme): Found | null {
  const first = units[at];
  const expands = isPointwise(first) && first?.activation !== null && isDepthwise(units[at + 1]);
  const depthwise = units[at + Number(expands)];
  if (!first || !depthwise || !isDepthwise(depthwise) || depthwise.core.spec.kind !== 'conv') return null;
  let next = at + Number(expands) + 1;
  const gateEnd = squeezeAndExcitation(units, next);
  const se = gateEnd !== null;
  next = gateEnd ?? next;
  const project = units[next];
  if (!project || !isPointwise(project) || project.activation !== null) return null;
  next += 1;
  const { kernel, stride } = depthwise.core.spec;
  if (kernel[0] !== kernel[1] || stride[0] !== stride[1]) return null;
  const [input, mid] = [inputShape(first), depthwise.outputShape.at(-1) ?? 0];
  const inChannels = input.at(-1) ?? 0;
  const expand = scheme === 'once-for-all' ? mid : mid / inChannels;
  if (!Number.isInteger(expand)) return null;
  const extra = scheme === 'once-for-all' ? { se, hs: depthwise.activation === 'hardSwish' } : null;
  if (scheme === 'proxylessnas' && se) return null;
  const idskip = project.sum && project.inputs.includes(first.inputs[0] ?? '');
  if (project.sum && !idskip) return null;
  const block = { expand, kernel: kernel[0], stride: stride[0], idskip, extra };
  return { key: { scheme: 'block', type: 'expanded_conv', input, output: project.outputShape, block }, units: next - at };
}

/** The index behind a gate, or null. */
function squeezeAndExcitation(units: readonly Unit[], at: number): number | null {
  if (units[at]?.core.spec.kind !== 'globalAveragePool') return null;
  for (let next = at + 1; next < Math.min(units.length, at + 6); next += 1) if (units[next]?.core.spec.kind === 'mul') return next + 1;
  return null;
}

/** The last 1 x 1 convolution, pooling, a convolution behind it, and the classes. */
function tail(units: readonly Unit[], at: number, scheme: BlockScheme): Found | null {
  const [unit, next] = [units[at], units[at + 1]];
  if (!unit) return null;
  if (isPointwise(unit) && next?.core.spec.kind === 'globalAveragePool')
    return { key: plain('Conv_1', inputShape(unit), unit.outputShape), units: 1 };
  if (unit.core.spec.kind === 'globalAveragePool') {
    if (scheme === 'once-for-all') return { key: plain('AvgPool2D', inputShape(unit), image(unit.outputShape)), units: 1 };
    // The ProxylessNAS tables count pooling with the classes.
    if (next?.core.spec.kind === 'linear') return { key: plain('Logits', inputShape(unit), next.outputShape), units: 2 };
    return null;
  }
  const isDense = isPointwise(unit) || unit.core.spec.kind === 'linear';
  if (scheme === 'once-for-all' && isDense && next?.core.spec.kind === 'linear')
    return { key: plain('Conv_2', inputShape(unit), image(unit.outputShape)), units: 1 };
  if (scheme === 'once-for-all' && unit.core.spec.kind === 'linear' && at === units.length - 1)
    return { key: plain('Logits', inputShape(unit), unit.outputShape), units: 1 };
  return null;
}
