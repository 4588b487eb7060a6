/** Finds and loads the compiled addon. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { LatheError } from '../../shared/errors.ts';
import type { NativeAddon } from './addon.ts';

const addonPath = join('native', 'build', 'Release', 'lathe.node');
const advice = 'run `npm run build:native` (it needs cmake 3.20 or newer and a C++20 compiler)';

/**
 * The addon of the project that `start` lies in: the nearest folder upwards that holds native/build/Release/lathe.node, or
 * the file that the environment variable LATHE_ADDON names. Throws LatheError: unavailable, with what to do about it.
 */
export function findAddon(start: string, override: string | undefined): string {
  if (override !== undefined && override !== '') {
    if (!existsSync(override)) {
      throw new LatheError('unavailable', `the compute addon that LATHE_ADDON names does not exist: ${override}; unset it, or ${advice}`);
    }
    return override;
  }
  for (let folder = start; ; folder = dirname(folder)) {
    const candidate = join(folder, addonPath);
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) break;
  }
  throw new LatheError('unavailable', `the compute addon has not been built: no ${addonPath} in ${start} or above it; ${advice}`);
}

let loaded: NativeAddon | null = null;

/** The addon; loaded at the first call. Throws LatheError: unavailable. */
export function loadAddon(): NativeAddon {
  if (loaded !== null) return loaded;
  const path = findAddon(import.meta.dirname, process.env['LATHE_ADDON']);
  try {
    loaded = createRequire(import.meta.url)(path) as NativeAddon;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LatheError('unavailable', `the compute addon at ${path} cannot be loaded (${reason}); build it anew: ${advice}`);
  }
  return loaded;
}
