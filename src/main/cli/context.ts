/** What every command needs: the global options, and a service for as long as it works. */
import type { Command } from 'commander';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { launchNodeEngine } from '../engine/launcher.ts';
import { createService, defaultDataDir, type Service } from '../service/index.ts';
import { note } from './output.ts';

/** More on stderr: slow queries, stacks of defects. */
const debugging = process.env['LATHE_DEBUG'] !== undefined;

export interface GlobalOptions {
  readonly json: boolean;
  readonly dataDir: string;
  readonly queue?: string; // runs go to this queue instead of being worked on here
}

/** The global options, from wherever on the command line they were given. */
export function globalOptions(command: Command): GlobalOptions {
  const options = command.optsWithGlobals<{ json?: boolean; dataDir?: string; queue?: string }>();
  return {
    json: options.json === true,
    dataDir: options.dataDir ?? defaultDataDir(),
    ...(options.queue === undefined ? {} : { queue: options.queue }),
  };
}

/** Opens the service, works with it, and closes it whatever happens. */
export async function withService<T>(options: GlobalOptions, work: (service: Service) => Promise<T>): Promise<T> {
  const service = await createService({
    dataDir: options.dataDir,
    launchEngine: launchNodeEngine,
    log: note,
    ...(debugging ? { debug: note } : {}),
    adoptQueued: false,
    ...(options.queue === undefined ? {} : { queue: { url: options.queue, where: 'queue' } }),
  });
  try {
    return await work(service);
  } finally {
    await service.close();
  }
}

/** One line on stderr and the exit code 1: the request was understood and failed. */
export function reportFailure(error: unknown): void {
  // One line, whatever was quoted from a file that is not text.
  note(`error: ${toErrorPayload(error).message.replace(/\p{Cc}+/gu, ' ')}`);
  if (!(error instanceof LatheError) && debugging && error instanceof Error) note(error.stack ?? '');
  process.exitCode = 1;
}
