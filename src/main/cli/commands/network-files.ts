/** Networks from and to files: import, export, remove. */
import { InvalidArgumentError, type Command } from 'commander';
import { resolve } from 'node:path';
import { bytes, count } from '../../../shared/format.ts';
import { networkRef, readPolicy, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine } from '../output.ts';

interface ImportOptions {
  readonly name?: string;
  readonly inputSize?: [number, number];
  readonly output?: string;
}

interface ExportOptions extends VariantOptions {
  readonly weights?: string;
  readonly policy?: string;
  readonly found?: boolean;
}

export function addNetworkFileCommands(network: Command): void {
  network
    .command('import <file>')
    .description('keep a network from an ONNX file, with its weights')
    .option('--name <id>', "what to call it (default: the file's name)")
    .option('--input-size <pixels>', 'height and width where the file leaves them free: 224 or 48x192', inputSize)
    .option('--output <name>', 'which output, of several')
    .action(async (file: string, own: ImportOptions, command: Command) => {
      const options = globalOptions(command);
      const { name, inputSize: size, output } = own;
      const info = await withService(options, (service) =>
        service.call('network.import', {
          path: resolve(file),
          ...(name === undefined ? {} : { name }),
          ...(size === undefined ? {} : { inputSize: size }),
          ...(output === undefined ? {} : { output }),
        }),
      );
      if (options.json) {
        printJson(info);
        return;
      }
      printLine(`${info.id}: ${info.title}, ${count(info.macs)} MACs, ${count(info.params)} parameters`);
      printNotes(info.imported?.notes ?? []);
    });
  withVariantOptions(
    network.command('export <network> <file>').description('write a network with its weights to an ONNX file, checked in ONNX Runtime'),
  )
    .option('--weights <run>', 'a run, or the SHA-256 of weights (default: those that came with the network)')
    .option('--policy <file>', 'bits layer by layer: 2 to 8 become quantizers in the file, all are told in its metadata')
    .option('--found', 'the quantized network that the run found, as it was measured: its bits, ranges and fine-tuned weights')
    .action(async (id: string, file: string, own: ExportOptions, command: Command) => {
      const options = globalOptions(command);
      const policy = own.policy === undefined ? undefined : await readPolicy(own.policy);
      const written = await withService(options, (service) =>
        service.call('network.export', {
          network: networkRef(id, own),
          path: resolve(file),
          ...(own.weights === undefined ? {} : { weights: own.weights }),
          ...(policy === undefined ? {} : { policy }),
          ...(own.found === undefined ? {} : { found: own.found }),
        }),
      );
      if (options.json) {
        printJson(written);
        return;
      }
      const { check } = written;
      printLine(
        `${written.path}: ${bytes(written.sizeBytes)}, opset ${String(written.opset)}\n` +
          `ONNX Runtime on ${String(check.images)} random images: largest difference ${check.largestDifference.toExponential(1)} ` +
          `(${check.relativeDifference.toExponential(1)} of the largest logit), same class on ${(check.sameClass * 100).toFixed(0)} %`,
      );
      printNotes(written.notes);
    });
  network
    .command('remove <network>')
    .description('forget a network of your own')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('network.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`${removed.id} removed`);
    });
}

export function printNotes(notes: readonly string[]): void {
  for (const note of notes) printLine(`note: ${note}`);
}

function inputSize(text: string): [number, number] {
  const found = /^(\d{1,4})(?:x(\d{1,4}))?$/.exec(text);
  const [height, width] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
  if (!(height >= 1 && height <= 1024 && width >= 1 && width <= 1024)) {
    throw new InvalidArgumentError('expected a number of pixels from 1 to 1024, or HEIGHTxWIDTH.');
  }
  return [height, width];
}
