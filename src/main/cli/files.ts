/** Text files named on the command line. */
import { readFile, writeFile } from 'node:fs/promises';
import { LatheError } from '../../shared/errors.ts';

export async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new LatheError('not-found', `${file} cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

export async function writeText(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new LatheError('unavailable', `${file} cannot be written (${error instanceof Error ? error.message : String(error)})`);
  }
}
