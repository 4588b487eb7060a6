/**
 * The entry of the engine process, in which searches run: a crash here hurts the run and nothing else. Works as a Node child
 * process and as an Electron utility process. One run a process; the answers to short questions (`request`) come from a
 * process of their own.
 */
import { engineProtocolVersion, hostMessageSchema, type EngineMessage, type HostMessage } from '../../shared/engine-messages.ts';
import type { DatasetProgress } from '../../shared/dataset.ts';
import { LatheError, toErrorPayload } from '../../shared/errors.ts';
import { setSimd } from '../compute/index.ts';
import { useTargetsOf } from '../hardware/targets.ts';
import { faultIfAsked } from './fault.ts';
import { RunningJob } from './job.ts';
import { answer } from './requests.ts';

/** The part of Electron's `process.parentPort` that is used here. */
interface ParentPort {
  postMessage(message: unknown): void;
  on(event: 'message', listener: (event: { readonly data: unknown }) => void): void;
}

const parentPort = (process as { readonly parentPort?: ParentPort }).parentPort;

function send(message: EngineMessage): void {
  if (parentPort) parentPort.postMessage(message);
  else process.send?.(message);
}

let job: RunningJob | null = null;
/** Raised by `cancel`: an engine with a long request has no other. */
const stop = new AbortController();

function receive(raw: unknown): void {
  const parsed = hostMessageSchema.safeParse(raw);
  if (!parsed.success) {
    send({ type: 'failed', error: toErrorPayload(parsed.error) });
    return;
  }
  handle(parsed.data);
}

function handle(message: HostMessage): void {
  switch (message.type) {
    case 'run':
      if (job) {
        send({ type: 'failed', error: new LatheError('conflict', 'this engine process already has a run').toPayload() });
        return;
      }
      useTargetsOf(message.job.dataDir);
      if (message.job.simd) setSimd(message.job.simd);
      job = new RunningJob(message.job, send);
      void job.run();
      return;
    case 'cancel':
      job?.cancel();
      stop.abort();
      return;
    case 'ack':
      job?.acknowledge(message.seq);
      faultIfAsked();
      return;
    case 'trade':
      job?.trade(message.id, message);
      return;
    case 'traded':
      job?.traded(message);
      return;
    case 'request': {
      const { id } = message;
      const working = (progress: DatasetProgress): void => send({ type: 'working', id, progress });
      answer(message.name, message.input, { signal: stop.signal, onProgress: working }).then(
        (output) => {
          send({ type: 'response', id, ok: true, output });
        },
        (error: unknown) => {
          send({ type: 'response', id, ok: false, output: null, error: toErrorPayload(error) });
        },
      );
      return;
    }
  }
}

if (parentPort) {
  parentPort.on('message', (event) => {
    receive(event.data);
  });
} else {
  process.on('message', receive);
  // Without its host an engine has nobody to report to: the run is `interrupted` and goes on from its checkpoint.
  process.on('disconnect', () => process.exit(0));
}
// Ctrl-C reaches the whole process group of a terminal; stopping cleanly is the host's decision.
process.on('SIGINT', () => undefined);
send({ type: 'ready', protocol: engineProtocolVersion });
