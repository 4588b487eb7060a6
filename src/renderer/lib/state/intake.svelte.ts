/** Files that are dropped on the window or opened: each is recognised, imported, and shown; what is wrong with one is a message. */
import type { Input } from '../../../shared/contract.ts';
import type { QuantizePolicy } from '../../../shared/policy.ts';
import { importNetwork } from '../client/upload.ts';
import type { AppState } from './app.svelte.ts';
import { asLatheError } from './loader.svelte.ts';
import { recognise } from './recognise.ts';

/** Largest text that one call carries. */
const largestBytes = 800_000;
/** What is read of a larger file, to see whether it is a network. */
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
    const isLarge = file.size > largestBytes;
    const found = recognise(new Uint8Array(await file.slice(0, isLarge ? beginningBytes : file.size).arrayBuffer()));
    if (isLarge && found.kind !== 'network') {
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
        const added = await app.client.call('target.add', { target: found.value } as Input<'target.add'>); // checked by schema there
        await app.targets.load();
        app.router.go(['targets', added.target.id]);
        return;
      }
      case 'policy':
        this.policy = { name: file.name, policy: found.policy };
        app.router.go(['new'], [['method', 'quantize']]);
        return;
      case 'unknown':
        app.toasts.error(
          `${file.name} is nothing that Lathe reads: expected an .onnx network, a latency table (.csv, .yaml, .json), a target or a policy (.json)`,
        );
    }
  }
}
