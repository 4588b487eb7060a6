/**
 * How a host starts an engine process: a child process here, a utility process in the window (`app/engine-launcher.ts`).
 * The host knows no more of it than this.
 */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A started engine. Messages are JSON values; the far side checks them by schema. */
export interface EngineProcess {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
  kill(): void;
}

export type EngineLauncher = () => EngineProcess;

/** The engine's entry: beside this file when bundled, its source when not. */
export function engineEntry(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, 'engine.js'), join(here, '..', 'engine.js'), join(here, 'process.ts')];
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`engine entry not found; looked for ${candidates.join(', ')}`);
  return found;
}

/** The engine's environment: as many threads for files and for decoding images as there are processors, and Node's usual 4 at least. */
export function engineEnvironment(): NodeJS.ProcessEnv {
  return { UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism())), ...process.env };
}

/** Starts the engine as a child process of this one; it ends when this one does. */
export const launchNodeEngine: EngineLauncher = () => {
  const child = fork(engineEntry(), [], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
    serialization: 'json',
    env: engineEnvironment(),
  });
  return {
    send: (message) => {
      // A message to an engine that is just ending is answered by its exit; the callback keeps the failure from being thrown.
      if (child.connected) child.send(message as object, () => undefined);
    },
    onMessage: (listener) => {
      child.on('message', listener);
    },
    onExit: (listener) => {
      child.once('exit', listener);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
};
