/**
 * A network while it is read: operators with their values, and the rewriting of what exporters write as several operators into the
 * one that it is. Values are in the layout of the compute face.
 */
import { inputsOf, type NodeSpec } from '../graph.ts';
import type { Shape } from '../shape.ts';

/** Values of a node by the role of the parameter that they are. */
export type Values = Readonly<Record<string, Float32Array>>;

export interface Draft {
  readonly spec: NodeSpec;
  readonly values: Values;
  readonly shape: Shape; // of its output
  readonly bits?: { readonly weight: number | null; readonly activation: number | null }; // of quantizers in the file
}

type Affine = Draft & { readonly spec: Extract<NodeSpec, { kind: 'channelAffine' }> };

/** Rewrites until nothing changes; every rewriting takes at least one operator away. Names of outputs stay. */
export function simplify(drafts: readonly Draft[]): Draft[] {
  let current = [...drafts];
  for (const rewriting of [mergeAffines, findActivations, findBiases]) {
    for (;;) {
      const next = rewriteOnce(current, rewriting);
      if (next.length === current.length) break;
      current = next;
    }
  }
  return current;
}

/** Takes what it finds at a node: the node that stands for it, and the names of those that it swallows. */
type Rewriting = (draft: Draft, look: Look) => { readonly draft: Draft; readonly swallowed: readonly string[] } | null;

interface Look {
  /** The node of this name, whoever reads it. */
  node(name: string): Draft | undefined;
  /** The node of this name if one operator reads it, and that once. */
  only(name: string): Draft | undefined;
}

/** One pass from front to back; what a rewriting of this pass has changed is looked at again in the next. */
function rewriteOnce(drafts: readonly Draft[], rewriting: Rewriting): Draft[] {
  const byName = new Map(drafts.map((draft) => [draft.spec.name, draft] as const));
  const readers = new Map<string, number>();
  for (const { spec } of drafts) for (const name of inputsOf(spec)) readers.set(name, (readers.get(name) ?? 0) + 1);
  const gone = new Set<string>();
  const look: Look = {
    node: (name) => (gone.has(name) ? undefined : byName.get(name)),
    only: (name) => (readers.get(name) === 1 && !gone.has(name) ? byName.get(name) : undefined),
  };
  for (const { spec } of drafts) {
    const draft = byName.get(spec.name);
    const found = draft && rewriting(draft, look);
    if (!found) continue;
    byName.set(spec.name, found.draft);
    for (const name of found.swallowed) gone.add(name);
  }
  return drafts.flatMap(({ spec }) => {
    const draft = byName.get(spec.name);
    return draft && !gone.has(spec.name) ? [draft] : [];
  });
}

function isAffine(draft: Draft | undefined): draft is Affine {
  return draft?.spec.kind === 'channelAffine';
}

/** Two affine maps in a row are one. */
const mergeAffines: Rewriting = (draft, look) => {
  if (!isAffine(draft)) return null;
  const before = look.only(draft.spec.input);
  if (!isAffine(before)) return null;
  const [scale, shift, innerScale, innerShift] = [
    draft.values['scale'],
    draft.values['shift'],
    before.values['scale'],
    before.values['shift'],
  ];
  if (!scale || !shift || !innerScale || !innerShift) return null;
  const values = {
    scale: scale.map((factor, at) => factor * (innerScale[at] ?? 1)),
    shift: shift.map((offset, at) => offset + (scale[at] ?? 1) * (innerShift[at] ?? 0)),
  };
  return { draft: { ...draft, spec: { ...draft.spec, input: before.spec.input }, values }, swallowed: [before.spec.name] };
};

/** A shift behind a convolution or linear layer without a bias is its bias. */
const findBiases: Rewriting = (draft, look) => {
  if (!isAffine(draft) || draft.values['scale']?.some((factor) => factor !== 1) !== false) return null;
  const before = look.only(draft.spec.input);
  const bias = draft.values['shift'];
  if (!before || !bias || (before.spec.kind !== 'conv' && before.spec.kind !== 'linear') || before.spec.bias) return null;
  return {
    draft: { ...before, spec: { ...before.spec, name: draft.spec.name, bias: true }, values: { ...before.values, bias } },
    swallowed: [before.spec.name],
  };
};

/** Scale and shift that are the same for all channels. */
function scalarsOf(draft: Draft | undefined): { readonly scale: number; readonly shift: number; readonly input: string } | null {
  if (!isAffine(draft)) return null;
  const [scale, shift] = [draft.values['scale'], draft.values['shift']];
  const [a = 1] = scale ?? [];
  const [b = 0] = shift ?? [];
  const isScalar = scale?.every((value) => value === a) === true && shift?.every((value) => value === b) === true;
  return isScalar ? { scale: a, shift: b, input: draft.spec.input } : null;
}

/** Bounds of a clip. */
function boundsOf(draft: Draft | undefined): { readonly low: number; readonly high: number; readonly input: string } | null {
  if (draft?.spec.kind === 'relu6') return { low: 0, high: 6, input: draft.spec.input };
  if (draft?.spec.kind === 'clip') return { low: draft.spec.minimum, high: draft.spec.maximum, input: draft.spec.input };
  return null;
}

const close = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));

/** A float32 as the decimal that was meant: 1/6 stays 1/6. */
function meant(value: number): number {
  for (const candidate of [1 / 6, 0.2, 0.5]) if (close(value, candidate)) return candidate;
  return value;
}

/** Hard sigmoid, hard swish and swish in the forms in which they are written out. */
const findActivations: Rewriting = (draft, look) => hardSigmoid(draft, look) ?? hardSwish(draft, look) ?? gated(draft, look);

/** clip(a x + b, 0, 1), or clip(a x + b, 0, 6) / 6. */
function hardSigmoid(draft: Draft, look: Look): ReturnType<Rewriting> {
  const { name } = draft.spec;
  const bounds = boundsOf(draft);
  if (bounds?.low === 0 && bounds.high === 1) {
    const inner = scalarsOf(look.only(bounds.input));
    if (!inner) return null;
    const spec = { kind: 'hardSigmoid', name, input: inner.input, alpha: meant(inner.scale), beta: meant(inner.shift) } as const;
    return { draft: { spec, values: {}, shape: draft.shape }, swallowed: [bounds.input] };
  }
  const outer = scalarsOf(draft);
  const clip = outer?.shift === 0 ? boundsOf(look.only(outer.input)) : null;
  const inner = clip && scalarsOf(look.only(clip.input));
  if (!outer || !clip || !inner || clip.low !== 0 || !close(clip.high * outer.scale, 1)) return null;
  const [alpha, beta] = [meant(inner.scale * outer.scale), meant(inner.shift * outer.scale)];
  const spec = { kind: 'hardSigmoid', name, input: inner.input, alpha, beta } as const;
  return { draft: { spec, values: {}, shape: draft.shape }, swallowed: [outer.input, clip.input] };
}

/** x * clip(x + 3, 0, 6) / 6. */
function hardSwish(draft: Draft, look: Look): ReturnType<Rewriting> {
  const outer = scalarsOf(draft);
  if (outer?.shift !== 0 || !close(outer.scale, 1 / 6)) return null;
  const product = look.only(outer.input);
  if (product?.spec.kind !== 'mul') return null;
  for (const [x, gate] of bothWays(product.spec.inputs)) {
    const clip = boundsOf(look.only(gate));
    const inner = clip && scalarsOf(look.only(clip.input));
    if (inner?.input !== x || inner.scale !== 1 || inner.shift !== 3 || clip?.low !== 0 || clip.high !== 6) continue;
    const spec = { kind: 'hardSwish', name: draft.spec.name, input: x } as const;
    return { draft: { spec, values: {}, shape: draft.shape }, swallowed: [outer.input, gate, clip.input] };
  }
  return null;
}

/** x * sigmoid(x) and x * hardSigmoid(x). */
function gated(draft: Draft, look: Look): ReturnType<Rewriting> {
  if (draft.spec.kind !== 'mul') return null;
  for (const [x, gate] of bothWays(draft.spec.inputs)) {
    const spec = look.only(gate)?.spec;
    if ((spec?.kind !== 'sigmoid' && spec?.kind !== 'hardSigmoid') || spec.input !== x) continue;
    if (spec.kind === 'hardSigmoid' && !(close(spec.alpha, 1 / 6) && spec.beta === 0.5)) continue;
    const kind = spec.kind === 'sigmoid' ? 'swish' : 'hardSwish';
    return { draft: { spec: { kind, name: draft.spec.name, input: x }, values: {}, shape: draft.shape }, swallowed: [gate] };
  }
  return null;
}

function bothWays([first, second]: readonly [string, string]): readonly (readonly [string, string])[] {
  return [
    [first, second],
    [second, first],
  ];
}
