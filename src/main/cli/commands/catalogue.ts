/** Commands about the networks that there are. */
import type { Command } from 'commander';
import { count, shape, si } from '../../../shared/format.ts';
import { networkRef, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { addNetworkFileCommands, printNotes } from './network-files.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';
import { addNetworkStructureCommands, printGroups, printTraffic } from './network-structure.ts';

type ShowOptions = VariantOptions & { dataset?: string; groups?: true; traffic?: true; text?: true };

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
  addNetworkStructureCommands(network);
  withVariantOptions(network.command('show <network>').description('layers, shapes, MACs and parameters of a network, or of an .onnx file'))
    .option('--dataset <id>', 'the variant that fits this data set')
    .option('--groups', 'the channels that must be pruned together')
    .option('--traffic', 'bytes and MACs a byte of each layer, counts by other conventions, published figures')
    .option('--text', 'the graph itself, an operator a line (YAML; with --json its JSON form)')
    .action(async (id: string, own: ShowOptions, command: Command) => {
      const options = globalOptions(command);
      const input = { network: networkRef(id, own), ...(own.dataset === undefined ? {} : { dataset: own.dataset }) };
      if (own.groups === true || own.traffic === true) {
        const structure = await withService(options, (service) => service.call('network.structure', input));
        if (options.json) printJson(structure);
        else if (own.groups === true) printGroups(structure);
        else printTraffic(structure);
        return;
      }
      if (own.text === true) {
        const { text, json } = await withService(options, (service) => service.call('network.text', input));
        if (options.json) printJson(json);
        else process.stdout.write(text);
        return;
      }
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
