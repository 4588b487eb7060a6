/**
 * The store's worker thread: owns the one connection to DATA-DIR/lathe.sqlite (better-sqlite3 is synchronous) and answers
 * numbered requests, strictly one after the other. Twice a second it looks whether another process has changed the database.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { createHandlers } from './calls.ts';
import { sqliteVersion, databasePath } from './database.ts';
import { openData } from './open.ts';
import { readPragma } from './migrate.ts';
import { workerDataSchema, type Request, type WorkerMessage } from './protocol.ts';
import { storeErrorPayload } from './sqlite-error.ts';

const pollIntervalMs = 500;
const slowMs = 40; // longer requests are logged

async function run(send: (message: WorkerMessage) => void, onRequest: (listener: (request: Request) => void) => () => void): Promise<void> {
  const { dataDir, repair } = workerDataSchema.parse(workerData);
  const path = databasePath(dataDir);
  const { db, lock, recoveries, wasClean } = await openData(dataDir, repair);
  const handlers = createHandlers(db, dataDir);

  let dataVersion = readPragma(db, 'data_version');
  const poll = setInterval(() => {
    const found = readPragma(db, 'data_version'); // changes by other connections only
    if (found === dataVersion) return;
    dataVersion = found;
    send({ kind: 'external-change' });
  }, pollIntervalMs);

  async function answer({ seq, name, args }: Request): Promise<void> {
    const startMs = performance.now();
    try {
      // The typed side of this call is `WorkerStore.#call`, which pairs a name with its arguments.
      const handler = handlers[name] as (...args: readonly unknown[]) => unknown;
      send({ kind: 'answer', seq, output: await handler(...args) });
    } catch (error) {
      const payload = storeErrorPayload(error, path);
      if (payload.code === 'internal' && error instanceof Error)
        send({ kind: 'log', text: `store: ${name} failed: ${error.stack ?? error.message}` });
      send({ kind: 'failure', seq, error: payload });
    }
    const tookMs = performance.now() - startMs;
    if (tookMs > slowMs) send({ kind: 'log', text: `store: ${name} took ${tookMs.toFixed(0)} ms` });
  }

  let last = Promise.resolve();
  const stop = onRequest((request) => {
    last = last.then(async () => {
      if (request.name === 'close') clearInterval(poll);
      await answer(request);
      if (request.name !== 'close') return;
      lock.close();
      stop(); // nothing is left to wait for: the thread ends
    });
  });
  send({ kind: 'opened', path, sqliteVersion: sqliteVersion(db), recoveries, wasClean });
}

const port = parentPort;
if (!port) throw new Error('the store runs in a worker thread; open it with openStore');
const send = (message: WorkerMessage): void => port.postMessage(message);
try {
  await run(send, (listener) => {
    port.on('message', listener);
    return () => port.off('message', listener);
  });
} catch (error) {
  const { data } = workerDataSchema.safeParse(workerData);
  send({ kind: 'refused', error: storeErrorPayload(error, databasePath(data?.dataDir ?? '')) });
}
