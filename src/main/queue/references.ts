/** Which blobs a value speaks of: every SHA-256 that stands anywhere in it, and in the checkpoints among them. */
import { checkpointReferences } from '../engine/checkpoint.ts';
import { hasBlob } from '../store/blobs.ts';

const sha256 = /^[0-9a-f]{64}$/;

/** Every string in a value that has the form of a SHA-256; numbers in arrays of their own are passed over. */
export function hashesIn(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') {
    if (sha256.test(value)) found.add(value);
  } else if (Array.isArray(value)) {
    for (const item of value) hashesIn(item, found);
  } else if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    for (const item of Object.values(value)) hashesIn(item, found);
  }
  return found;
}

/** The blobs of this folder that a job or a batch speaks of, those that its checkpoint goes on from included. */
export async function blobsOf(dataDir: string, value: unknown, checkpoint: string | null): Promise<string[]> {
  const named = hashesIn(value);
  if (checkpoint !== null && (await hasBlob(dataDir, checkpoint)))
    for (const sha of hashesIn(await checkpointReferences(dataDir, checkpoint))) named.add(sha);
  const there: string[] = [];
  for (const sha of named) if (await hasBlob(dataDir, sha)) there.push(sha);
  return there;
}
