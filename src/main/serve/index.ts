/** The web face as a command: opens the service, serves it until the process is told to stop, and closes both. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchNodeEngine } from '../engine/launcher.ts';
import { createService } from '../service/index.ts';
import { startServer } from './server.ts';

export { defaultPort, startServer, type LatheServer, type ServerOptions } from './server.ts';

export interface ServeOptions {
  readonly dataDir: string;
  readonly port?: number;
  readonly queue?: string; // default: the data folder's own
  readonly address?: string; // default: 127.0.0.1
  readonly log: (text: string) => void;
  readonly announce: (url: string) => void; // once the page can be opened
}

/** Serves until SIGINT, SIGTERM or SIGHUP; resolves when service and server are closed. */
export async function serve({ dataDir, port, address, queue, log, announce }: ServeOptions): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  const service = await createService({
    ...{ dataDir, launchEngine: launchNodeEngine, log, adoptQueued: true, guardData: true },
    ...(queue === undefined ? {} : { queue: { url: queue, where: 'here' as const } }),
  });
  try {
    const server = await startServer({
      ...{ service, rendererDir: rendererDir(), log },
      ...(port === undefined ? {} : { port }),
      ...(address === undefined ? {} : { address }),
    });
    announce(server.url);
    await stopped;
    log('stopping');
    await server.close();
  } finally {
    await service.close();
  }
}

/** The built page: out/renderer, whether this file is bundled (out/main) or run from its source (src/main/serve). */
export function rendererDir(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return here.endsWith(join('src', 'main', 'serve')) ? join(here, '..', '..', '..', 'out', 'renderer') : join(here, '..', 'renderer');
}
