/** Commands about what there is: networks and data sets. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { count, shape, si } from '../../../shared/format.ts';
import { integer, networkRef, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

export function addCatalogueCommands(program: Command): void {
  addNetworkCommands(program);
  addDatasetCommands(program);
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
  withVariantOptions(network.command('show <network>').description('layers, shapes, MACs and parameters'))
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

function addDatasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('the data sets that Lathe knows');
  dataset
    .command('list')
    .description('all data sets, added or not')
    .action(async (_options, command: Command) => {
      const options = globalOptions(command);
      const datasets = await withService(options, (service) => service.call('dataset.list', {}));
      if (options.json) {
        printJson(datasets);
        return;
      }
      printTable(
        ['id', 'images', 'classes', 'train', 'test', 'here', 'to add it'],
        datasets.map((entry) => [
          entry.id,
          shape(entry.shape),
          String(entry.classes),
          count(entry.train),
          count(entry.test),
          entry.available ? 'yes' : 'no',
          entry.hint ?? '',
        ]),
        [2, 3, 4],
      );
    });
  dataset
    .command('show <dataset>')
    .description('one data set with its hash and files')
    .action(async (id: string, _own, command: Command) => {
      const info = await withService(globalOptions(command), (service) => service.call('dataset.show', { id }));
      printJson(info);
    });
  dataset
    .command('add <dataset>')
    .description('fashion-mnist, or an id for IDX files of your own')
    .option('--train-images <file>', 'IDX file, plain or gzip')
    .option('--train-labels <file>', 'IDX file')
    .option('--test-images <file>', 'IDX file')
    .option('--test-labels <file>', 'IDX file')
    .option('--classes <n>', 'number of classes (default: the largest label + 1)', integer(2, 65_535))
    .action(
      async (
        id: string,
        own: { trainImages?: string; trainLabels?: string; testImages?: string; testLabels?: string; classes?: number },
        command: Command,
      ) => {
        const options = globalOptions(command);
        const { trainImages, trainLabels, testImages, testLabels, classes } = own;
        const given = [trainImages, trainLabels, testImages, testLabels].filter((file) => file !== undefined).length;
        if (given === 0 && id !== 'fashion-mnist') {
          command.error(
            `error: ${id} is not a set that Lathe can fetch: give --train-images, --train-labels, --test-images and --test-labels (IDX files), or add fashion-mnist`,
          );
        }
        const info = await withService(options, async (service) => {
          if (trainImages !== undefined && trainLabels !== undefined && testImages !== undefined && testLabels !== undefined) {
            return await service.call('dataset.add', {
              kind: 'idx',
              id,
              trainImages: resolve(trainImages),
              trainLabels: resolve(trainLabels),
              testImages: resolve(testImages),
              testLabels: resolve(testLabels),
              ...(classes === undefined ? {} : { classes }),
            });
          }
          if (given > 0)
            command.error('error: an IDX data set needs all four of --train-images, --train-labels, --test-images and --test-labels');
          return await service.call('dataset.add', { kind: 'fashion-mnist' });
        });
        if (options.json) printJson(info);
        else
          printLine(
            `${info.id}: ${count(info.train)} training and ${count(info.test)} test images, ${shape(info.shape)}, ${String(info.classes)} classes\nsha256 ${info.sha256}\nfrom ${info.source}`,
          );
      },
    );
  dataset
    .command('remove <dataset>')
    .description('forget a data set (your own files stay where they are)')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('dataset.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`${removed.id} removed`);
    });
}
