/** Which queue a data folder uses: DATA-DIR/queue.json, for this user's eyes only, as an address may hold a password. */
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { describeZodError, LatheError } from '../../shared/errors.ts';

const configSchema = z.object({
  url: z.string(),
  listen: z.string().optional(), // host or host:port at which workers reach this machine; default: as the Redis server sees it
});
export type QueueConfig = z.infer<typeof configSchema>;

/** Null where none was chosen. Throws LatheError corrupt. */
export async function readQueueConfig(dataDir: string): Promise<QueueConfig | null> {
  const path = join(dataDir, 'queue.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new LatheError('unavailable', `${path} cannot be read (${String(error)})`);
  }
  try {
    return configSchema.parse(JSON.parse(text));
  } catch (error) {
    const what = error instanceof z.ZodError ? describeZodError(error) : String(error);
    throw new LatheError('corrupt', `${path}: ${what}; delete it, or choose the queue again with "queue use"`);
  }
}

/** Null forgets it. */
export async function writeQueueConfig(dataDir: string, config: QueueConfig | null): Promise<void> {
  const path = join(dataDir, 'queue.json');
  if (config === null) {
    await rm(path, { force: true });
    return;
  }
  await writeFile(`${path}.tmp`, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  await chmod(`${path}.tmp`, 0o600); // also where it was there before
  await rename(`${path}.tmp`, path);
}
