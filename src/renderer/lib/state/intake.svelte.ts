/** Files that are dropped on the window or opened: each is recognised, imported, and shown; what is wrong with one is a message. */
import type { Input } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { openedText } from '../../../shared/opened.ts';
import type { QuantizePolicy } from '../../../shared/policy.ts';
import { importNetwork, openBundle } from '../client/upload.ts';
import type { AppState } from './app.svelte.ts';
import { asLatheError } from './loader.svelte.ts';
import { recognise, type Recognised } from './recognise.ts';

/** Largest text that one call carries. */
const largestBytes = 800_000;
/** What is read of a larger file, to see whether it is a network or a bundle. */
const beginningBytes = 4096;

export class Intake {
  progress = $state<string | null>(null);
  /** A policy that a new run is to start from. */
  policy = $state.raw<{ readonly name: string; readonly policy: QuantizePolicy } | null>(null);
  readonly #app: AppState;
  #queue: Promise<void> = Promise.resolve();

  constructor(app: AppState) {
    this.#app = app;
  }

  /** One after another. */
  takeAll(files: Iterable<File>): void {
    for (const file of files) this.#queue = this.#queue.then(() => this.#take(file));
  }

  /** What a file is, by what is in it. */
  async recognise(file: File): Promise<Recognised> {
    return recognise(new Uint8Array(await file.slice(0, file.size > largestBytes ? beginningBytes : file.size).arrayBuffer()));
  }

  async #take(file: File): Promise<void> {
    this.progress = `Reading ${file.name} …`;
    try {
      await this.#import(file);
    } catch (error) {
      this.#app.toasts.error(`${file.name}: ${asLatheError(error).message}`);
    } finally {
      this.progress = null;
    }
  }

  async #import(file: File): Promise<void> {
    const app = this.#app;
    const found = await this.recognise(file);
    if (file.size > largestBytes && found.kind !== 'network' && found.kind !== 'bundle') {
      app.toasts.error(`${file.name} is too large to be dropped here; import it on the command line: lathe table import FILE`);
      return;
    }
    switch (found.kind) {
      case 'network': {
        const { id } = await importNetwork(app.client, file, (text) => (this.progress = text));
        await app.networks.load();
        app.router.go(['networks', id]);
        return;
      }
      case 'table': {
        const { id } = await app.client.call('table.import', { text: await file.text(), name: file.name });
        await app.tables.load();
        app.router.go(['tables', id]);
        app.toasts.info(`${file.name}: read as a latency table in milliseconds. The Tables screen takes other units.`);
        return;
      }
      case 'target': {
        const target = await targetIn(await file.text(), found.form);
        const added = await app.client.call('target.add', { target } as Input<'target.add'>); // checked by schema there
        await app.targets.load();
        app.router.go(['targets', added.target.id]);
        return;
      }
      case 'bundle': {
        const opened = await openBundle(app.client, file, (text) => (this.progress = text));
        app.runs.put(opened.run);
        await Promise.all([app.networks.load(), app.targets.load()]); // what it brought along
        app.router.go(['runs', opened.run.id]);
        app.toasts.info(openedText(opened));
        return;
      }
      case 'policy':
        this.policy = { name: file.name, policy: found.policy };
        app.router.go(['new'], [['method', 'quantize']]);
        return;
      case 'unknown':
        app.toasts.error(
          `${file.name} is nothing that Lathe reads: expected an .onnx network, a latency table (.csv, .yaml, .json), a target (.json, .yaml), a policy (.json) or the bundle of a run (.lathe)`,
        );
    }
  }
}

/** Throws LatheError bad-input for text that is no YAML. */
async function targetIn(text: string, form: 'json' | 'yaml'): Promise<unknown> {
  if (form === 'json') return JSON.parse(text); // it was read when it was recognised
  const { parse, YAMLParseError } = await import('yaml'); // rare, and large
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw new LatheError('bad-input', error.message.split('\n')[0] ?? error.message);
    throw error;
  }
}
