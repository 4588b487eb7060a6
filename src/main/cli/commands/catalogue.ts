/** Commands about what there is: networks, targets, data sets; and what a network costs on a target. */
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { bytes, count, ms, millijoules, percent, shape, si } from '../../../shared/format.ts';
import { integer, networkRef, readPolicy, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

export function addCatalogueCommands(program: Command): void {
  addNetworkCommands(program);
  addTargetCommands(program);
  addDatasetCommands(program);
  addSimulateCommand(program);
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

function addTargetCommands(program: Command): void {
  const target = program.command('target').description('the hardware targets that Lathe knows');
  target
    .command('list')
    .description('all targets')
    .action(async (_options, command: Command) => {
      const options = globalOptions(command);
      const targets = await withService(options, (service) => service.call('target.list', {}));
      if (options.json) {
        printJson(targets.map((entry) => entry.target));
        return;
      }
      printTable(
        ['id', 'law', 'clock (MHz)', 'batch', 'figures', 'title'],
        targets.map(({ target: t }) => [t.id, t.law, String(t.clockMhz), String(t.defaultBatch), t.calibration, t.title]),
        [2, 3],
      );
    });
  target
    .command('show <target>')
    .description('the target as stored')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) => service.call('target.show', { id }));
      printJson(info.target);
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

interface SimulateOptions extends VariantOptions {
  readonly target: string;
  readonly weightBits: number;
  readonly activationBits: number;
  readonly policy?: string;
  readonly batch?: number;
  readonly dataset?: string;
}

function addSimulateCommand(program: Command): void {
  withVariantOptions(program.command('simulate <network>').description('what a network costs on a target, layer by layer'))
    .requiredOption('--target <id>', 'the hardware target')
    .option('--weight-bits <n>', 'bits of all weights', integer(1, 8), 8)
    .option('--activation-bits <n>', 'bits of all activations', integer(1, 8), 8)
    .option('--policy <file>', 'bits layer by layer instead, from a policy file')
    .option('--batch <n>', "images at once (default: the target's)", integer(1, 4096))
    .option('--dataset <id>', 'the variant that fits this data set')
    .action(async (id: string, own: SimulateOptions, command: Command) => {
      const options = globalOptions(command);
      const policy = own.policy === undefined ? undefined : await readPolicy(own.policy);
      const simulation = await withService(options, (service) =>
        service.call('simulate', {
          network: networkRef(id, own),
          target: own.target,
          weightBits: own.weightBits,
          activationBits: own.activationBits,
          ...(policy === undefined ? {} : { policy }),
          ...(own.batch === undefined ? {} : { batch: own.batch }),
          ...(own.dataset === undefined ? {} : { dataset: own.dataset }),
        }),
      );
      if (options.json) {
        printJson(simulation);
        return;
      }
      printLine(
        `${simulation.network} on ${simulation.target}, batch ${String(simulation.batch)} (simulated): ${ms(simulation.latencyMs)} ms, ${count(simulation.cycles)} cycles, ` +
          `DRAM ${bytes(simulation.dramBits / 8)}, energy ${simulation.energyMj === null ? 'not modelled by this target' : `${millijoules(simulation.energyMj)} mJ`}, weights ${bytes(simulation.sizeBytes)}\n`,
      );
      printTable(
        ['layer', 'kind', 'w bits', 'a bits', 'latency (ms)', 'cycles', 'compute', 'stall', 'DRAM (bit)', 'utilization (%)'],
        simulation.layers.map((layer) => [
          layer.name,
          layer.kind,
          String(layer.weightBits),
          String(layer.activationBits),
          ms(layer.latencyMs),
          count(layer.cycles),
          count(layer.computeCycles),
          count(layer.stallCycles),
          count(layer.dramBits),
          percent(layer.utilization, 1),
        ]),
        [2, 3, 4, 5, 6, 7, 8, 9],
      );
    });
}
