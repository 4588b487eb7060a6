/**
 * What a start, a second start, a dropped file or a link asks to see. All of it comes from outside and is believed in nothing
 * but its form: a file of a kind that Lathe takes, which is looked at by the importer only, or the id of a run.
 */
import { statSync } from 'node:fs';
import { extname, isAbsolute, resolve } from 'node:path';
import { pageUrl } from './origin.ts';

export const linkScheme = 'lathe';

/** The endings that the system opens with Lathe (packaging names the same). */
export const openedExtensions = ['.onnx'] as const;

export type LaunchTarget = { readonly kind: 'network'; readonly path: string } | { readonly kind: 'run'; readonly id: string };

/** The first thing on a command line that can be shown; null where there is none. */
export function targetOfArguments(argv: readonly string[], cwd: string): LaunchTarget | null {
  for (const argument of argv) {
    const target = argument.startsWith(`${linkScheme}:`) ? targetOfLink(argument) : targetOfPath(argument, cwd);
    if (target) return target;
  }
  return null;
}

/** `lathe://run/ID` and nothing else: no path, no command, no query. */
export function targetOfLink(link: string): LaunchTarget | null {
  const match = /^lathe:\/\/run\/([a-z]-[a-z0-9]{1,32})\/?$/.exec(link);
  return match?.[1] === undefined ? null : { kind: 'run', id: match[1] };
}

export function targetOfPath(path: string, cwd: string): LaunchTarget | null {
  if (path.startsWith('-') || path.includes('\0') || !openedExtensions.some((extension) => extension === extname(path).toLowerCase()))
    return null;
  const whole = isAbsolute(path) ? path : resolve(cwd, path);
  try {
    return statSync(whole).isFile() ? { kind: 'network', path: whole } : null;
  } catch {
    return null; // it is not there: there is nothing to show
  }
}

/** The page's own address for it: a change of the fragment alone, so that a window that is open stays as it is. */
export function addressOf(target: LaunchTarget | null): string {
  switch (target?.kind) {
    case undefined:
      return pageUrl;
    case 'network':
      return `${pageUrl}#/networks?import=${encodeURIComponent(target.path)}`;
    case 'run':
      return `${pageUrl}#/runs/${target.id}`;
  }
}
