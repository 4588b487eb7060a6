/** Folders of this machine, for a page in a browser, which has no dialog that tells where a file lies. */
import { opendir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { FolderListing } from '../../shared/files.ts';
import { describeFileError } from '../data/file-errors.ts';

const mostEntries = 500; // a folder of images may hold a million

/** What lies in a folder; `mostEntries` at most, of a larger one in no certain order. Throws LatheError where it cannot be read. */
export async function listFolder(asked: string | undefined): Promise<FolderListing> {
  const path = resolve(asked ?? homedir());
  const entries: FolderListing['entries'] = [];
  let more = false;
  try {
    for await (const entry of await opendir(path)) {
      const isFolder = entry.isDirectory();
      if (entry.name.startsWith('.') || !(isFolder || entry.isFile() || entry.isSymbolicLink())) continue;
      if (entries.length === mostEntries) {
        more = true;
        break;
      }
      entries.push({ name: entry.name, path: join(path, entry.name), isFolder });
    }
  } catch (error) {
    throw describeFileError(path, error);
  }
  entries.sort((a, b) => Number(b.isFolder) - Number(a.isFolder) || a.name.localeCompare(b.name, 'en', { numeric: true }));
  const parent = dirname(path);
  return { path, parent: parent === path ? null : parent, entries, more };
}
