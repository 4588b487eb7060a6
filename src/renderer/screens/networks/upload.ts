/** A file in pieces that fit into a message. */
const pieceBytes = 600_000; // 800,000 characters of base64; a message takes 900,000

/** Byte ranges of a file, in order; one empty range for an empty file, so that it is refused by what reads it. */
export function piecesOf(size: number): { from: number; to: number }[] {
  return Array.from({ length: Math.max(1, Math.ceil(size / pieceBytes)) }, (_, index) => ({
    from: index * pieceBytes,
    to: Math.min(size, (index + 1) * pieceBytes),
  }));
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += 32_768) text += String.fromCharCode(...bytes.subarray(from, from + 32_768));
  return btoa(text);
}
