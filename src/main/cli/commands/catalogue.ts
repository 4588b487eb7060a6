/** Commands about the networks that there are. */
import type { Command } from 'commander';
import { count, shape, si } from '../../../shared/format.ts';
import { networkRef, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { addNetworkFileCommands, printNotes } from './network-files.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

export function addCatalogueCommands(program: Command): void {
  addNetworkCommands(program);
}

function addNetworkCommands(program: Command): void {
  const network = program.command('network').description('the networks that Lathe knows');
  network
    .command('list')
    .description('all networks of the zoo')
    .action(async (_options, command: Command) => {
      const options = globalOptions(command);
      const networks = await withService(options, (service) => service.call('network.list', {}));
      if (options.json) {
        printJson(networks);
        return;
      }
      printTable(
        ['id', 'input', 'MACs', 'parameters', 'source'],
        networks.map((entry) => [entry.id, shape(entry.inputShape), si(entry.macs), si(entry.params), entry.source]),
        [2, 3],
      );
    });
  addNetworkFileCommands(network);
  withVariantOptions(network.command('show <network>').description('layers, shapes, MACs and parameters of a network, or of an .onnx file'))
    .option('--dataset <id>', 'the variant that fits this data set')
    .action(async (id: string, own: VariantOptions & { dataset?: string }, command: Command) => {
      const options = globalOptions(command);
      const input = { network: networkRef(id, own), ...(own.dataset === undefined ? {} : { dataset: own.dataset }) };
      const info = await withService(options, (service) => service.call('network.show', input));
      if (options.json) {
        printJson(info);
        return;
      }
      printLine(`${info.title}: ${count(info.macs)} MACs, ${count(info.params)} parameters\n${info.source}\n`);
      printNotes(info.imported?.notes ?? []);
      printTable(
        ['layer', 'op', 'input', 'output', 'MACs', 'parameters'],
        info.layers.map((layer) => [
          layer.name,
          layer.op,
          shape(layer.inputShape),
          shape(layer.outputShape),
          count(layer.macs),
          count(layer.params),
        ]),
        [4, 5],
      );
    });
}
