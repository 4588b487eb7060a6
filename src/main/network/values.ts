/** The values of a network's parameters by operator and role, apart from where the executor keeps them. */
import type { NativeParameter } from '../compute/addon.ts';

/** Operator -> role -> values, each in the layout that `NativeParameter` says. */
export type NetworkValues = ReadonlyMap<string, Readonly<Record<string, Float32Array>>>;

/** The values of a model's state; views into it, not copies. */
export function valuesOfState(layout: readonly NativeParameter[], state: Float32Array): NetworkValues {
  const values = new Map<string, Record<string, Float32Array>>();
  for (const { op, role, offset, length } of layout) {
    const roles = values.get(op) ?? {};
    roles[role] = state.subarray(offset, offset + length);
    values.set(op, roles);
  }
  return values;
}

/** A model's state with these values. Throws an Error where one is missing or of another length: the graphs differ then. */
export function stateOfValues(layout: readonly NativeParameter[], values: NetworkValues): Float32Array {
  const state = new Float32Array(layout.reduce((end, { offset, length }) => Math.max(end, offset + length), 0));
  for (const { op, role, offset, length } of layout) {
    const found = values.get(op)?.[role];
    if (found?.length !== length) throw new Error(`${op}/${role}: expected ${length} values, found ${found?.length ?? 'none'}`);
    state.set(found, offset);
  }
  return state;
}
