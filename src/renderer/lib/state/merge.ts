/**
 * Merges two lists that are sorted by an increasing number. An item of `incoming` replaces the one with the same number,
 * so it does not matter whether something arrives twice, by a reading and by an event. The usual case, everything in
 * `incoming` is newer, costs one copy.
 */
export function mergeByKey<T>(existing: readonly T[], incoming: readonly T[], key: (item: T) => number): readonly T[] {
  const last = existing.at(-1);
  const first = incoming[0];
  if (first === undefined) return existing;
  if (last === undefined || key(first) > key(last)) return existing.concat(incoming);
  const merged: T[] = [];
  let e = 0;
  let i = 0;
  while (e < existing.length || i < incoming.length) {
    const left = existing[e];
    const right = incoming[i];
    if (right === undefined || (left !== undefined && key(left) < key(right))) {
      if (left !== undefined) merged.push(left);
      e += 1;
      continue;
    }
    merged.push(right);
    i += 1;
    if (left !== undefined && key(left) === key(right)) e += 1;
  }
  return merged;
}
