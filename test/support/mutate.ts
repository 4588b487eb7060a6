/** For tests: a file with some bytes changed, cut out, doubled or made up. */
import fc from 'fast-check';

const change = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), value: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('double' as const), at: fc.nat(), value: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ kind: fc.constant('large' as const), at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) }),
);

/** One to six changes, each at a random place. */
export function mutated(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  return fc.array(change, { minLength: 1, maxLength: 6 }).map((changes) => {
    let result = bytes;
    for (const { kind, at, value } of changes) {
      const place = at % Math.max(1, result.length);
      const copy = Uint8Array.from(result);
      switch (kind) {
        case 'set':
          copy[place] = value;
          result = copy;
          break;
        case 'flip':
          copy[place] = (copy[place] ?? 0) ^ (1 << value);
          result = copy;
          break;
        case 'cut':
          result = Buffer.concat([result.subarray(0, place), result.subarray(place + value)]);
          break;
        case 'double':
          result = Buffer.concat([result.subarray(0, place + value), result.subarray(place)]);
          break;
        case 'large': // a length or a number of many bytes
          copy.set([0xff, 0xff, 0xff, value | 0x80, 0x0f].slice(0, copy.length - place), place);
          result = copy;
          break;
      }
    }
    return result;
  });
}
