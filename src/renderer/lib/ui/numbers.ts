/** Numbers that a person types. */

/** A text that a person typed, as a number: `1e-4`, `0.1`, `2 000`; NaN for anything else. */
export function parseNumber(text: string): number {
  const bare = text.trim().replace(/(?<=\d)[\s_,](?=\d{3}(\D|$))/g, '');
  return bare === '' ? Number.NaN : Number(bare);
}
