/** For tests: a file with some bytes changed, cut out, doubled or made up; and a JSON document with some of its values changed. */
import fc from 'fast-check';

/** What a number or a word in a text becomes: what parsers and those who believe them stumble over. */
const oddWords = [
  ...['-1', '0', '-0', '1e309', '-1e309', '1e-320', '4294967296', '9007199254740993', '0x10', '0.5', 'NaN', 'Infinity', 'null', 'true'],
  ...[
    '""',
    "'",
    '"',
    '[',
    '{',
    '}',
    ']',
    ',',
    ':',
    '#',
    '&a',
    '*a',
    '!!js/function',
    '<<: *a',
    '\\u0000',
    '\u0000',
    '\ufeff',
    '\r\n',
    '../../../x',
  ],
  ...[
    '__proto__',
    'constructor',
    '[['.repeat(2000),
    '{"a":'.repeat(2000),
    '('.repeat(500),
    '9'.repeat(400),
    'x'.repeat(5000),
    '- '.repeat(2000),
  ],
];

const change = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('end' as const), at: fc.nat(), value: fc.constant(0) }),
  fc.record({ kind: fc.constant('double' as const), at: fc.nat(), value: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('large' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('word' as const), at: fc.nat(), value: fc.nat(oddWords.length - 1) }),
);

function changed(bytes: Uint8Array, { kind, at, value }: typeof change extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const place = at % Math.max(1, bytes.length);
  const copy = Uint8Array.from(bytes);
  switch (kind) {
    case 'set':
      copy[place] = value;
      return copy;
    case 'flip':
      copy[place] = (copy[place] ?? 0) ^ (1 << value);
      return copy;
    case 'cut':
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + value)]);
    case 'end':
      return bytes.subarray(0, place);
    case 'double':
      return Buffer.concat([bytes.subarray(0, place + value), bytes.subarray(place)]);
    case 'large': // a length or a number of many bytes
      copy.set([0xff, 0xff, 0xff, value | 0x80, 0x0f].slice(0, copy.length - place), place);
      return copy;
    case 'word': {
      const end = endOfWord(bytes, place);
      return Buffer.concat([bytes.subarray(0, place), Buffer.from(oddWords[value] ?? ''), bytes.subarray(end)]);
    }
  }
}

/** Behind the letters and digits that begin at a place; 64 bytes on at most. */
function endOfWord(bytes: Uint8Array, place: number): number {
  let end = place;
  while (end < bytes.length && end < place + 64 && /[\w.+-]/.test(String.fromCharCode(bytes[end] ?? 0))) end += 1;
  return end;
}

/** One to six changes, each at a random place. */
export function mutated(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => changes.reduce(changed, bytes));
}

const oddValues: readonly unknown[] = [
  ...[null, true, '', 0, -1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 'x'.repeat(5000), '../../x', '\u0000', '__proto__'],
  ...[[], {}, [[]], [null], { __proto__: null }, Array.from({ length: 3000 }, () => 1), nested(400)],
];

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

/** A JSON document in which one to four values, wherever they are, are others, gone or there twice. */
export function mutatedJson(document: unknown): fc.Arbitrary<unknown> {
  const edit = fc.record({ at: fc.nat(), how: fc.nat(oddValues.length + 1) });
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    const copy = structuredClone(document);
    for (const { at, how } of edits) editOne(copy, at, how);
    return copy;
  });
}

function editOne(document: unknown, at: number, how: number): void {
  const places = placesOf(document, []);
  const place = places[at % Math.max(1, places.length)];
  if (!place) return;
  const { owner, key } = place;
  if (how < oddValues.length) owner[key] = structuredClone(oddValues[how]);
  else if (Array.isArray(owner) && how === oddValues.length) owner.push(structuredClone(owner[Number(key)]));
  else if (Array.isArray(owner)) owner.splice(Number(key), 1);
  else Reflect.deleteProperty(owner, key);
}

interface Place {
  readonly owner: Record<string, unknown>;
  readonly key: string;
}

function placesOf(value: unknown, places: Place[], depth = 0): Place[] {
  if (typeof value !== 'object' || value === null || depth > 50) return places;
  const owner = value as Record<string, unknown>;
  for (const key of Object.keys(owner)) {
    places.push({ owner, key });
    placesOf(owner[key], places, depth + 1);
  }
  return places;
}
