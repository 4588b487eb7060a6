/**
 * Canonical JSON: one text for one value, whatever the order in which its keys were written (RFC 8785: keys sorted by
 * UTF-16 code units, no white space, numbers as JavaScript prints them). Hashes of manifests, networks and targets are taken
 * over this text. The hash itself is `sha256OfJson` on the main side: a browser has no synchronous one.
 */

/**
 * The canonical text of a JSON value. Keys whose value is undefined are left out, as JSON.stringify does. Throws a TypeError
 * for what JSON cannot say: numbers that are not finite, functions, symbols, big integers, undefined in an array, cycles.
 */
export function canonicalJson(value: unknown): string {
  return write(value, '', new Set());
}

function write(value: unknown, path: string, open: Set<object>): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError(`canonical JSON: ${path || 'the value'} is ${value}, which JSON cannot say`);
    return JSON.stringify(value); // -0 becomes 0
  }
  if (typeof value !== 'object')
    throw new TypeError(`canonical JSON: ${path || 'the value'} is of type ${typeof value}, which JSON cannot say`);
  if (open.has(value)) throw new TypeError(`canonical JSON: ${path || 'the value'} contains itself`);
  open.add(value);
  const text = Array.isArray(value) ? writeArray(value, path, open) : writeObject(value, path, open);
  open.delete(value);
  return text;
}

function writeArray(values: readonly unknown[], path: string, open: Set<object>): string {
  return `[${Array.from(values, (item, index) => write(item, `${path}[${index}]`, open)).join(',')}]`;
}

function writeObject(value: object, path: string, open: Set<object>): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new TypeError(`canonical JSON: ${path || 'the value'} is neither a plain object nor an array`);
  }
  const parts = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${write(item, path === '' ? key : `${path}.${key}`, open)}`);
  return `{${parts.join(',')}}`;
}
