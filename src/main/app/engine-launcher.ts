/** Starts engine processes as Electron utility processes: the packaged app has no Node of its own to run them. */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { utilityProcess } from 'electron';
import { engineEnvironment, type EngineLauncher } from '../engine/launcher.ts';

const engineFile = join(dirname(fileURLToPath(import.meta.url)), 'engine.js');

export const engineName = 'Lathe engine';

export const launchUtilityEngine: EngineLauncher = () => {
  const child = utilityProcess.fork(engineFile, [], {
    serviceName: engineName,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: engineEnvironment(),
  });
  let running = true;
  child.once('exit', () => {
    running = false;
  });
  return {
    send: (message) => {
      if (running) child.postMessage(message);
    },
    onMessage: (listener) => {
      child.on('message', listener);
    },
    onExit: (listener) => {
      child.once('exit', (code) => listener(code, null));
    },
    kill: () => {
      child.kill();
    },
  };
};
