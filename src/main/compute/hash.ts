/**
 * SHA-256, as lower-case hexadecimal: of bytes, of JSON values in canonical form, and of files. It stands here, below network,
 * hardware and data, because all three name things by it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { canonicalJson } from '../../shared/canonical.ts';

/** Of bytes, or of a text's UTF-8 bytes. */
export function sha256Hex(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Of a JSON value's canonical text: equal values have equal hashes, whatever the order of their keys. */
export function sha256OfJson(value: unknown): string {
  return sha256Hex(canonicalJson(value));
}

/** Of a file's bytes, read as a stream. Rejects with the file system's error. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { signal }) as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}
