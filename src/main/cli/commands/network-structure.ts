/** Commands about how a network is built: its coupled channels, its counts by convention, what two networks have apart. */
import type { Command } from 'commander';
import { count, shape } from '../../../shared/format.ts';
import type { NetworkDiffRow, NetworkStructure } from '../../../shared/network.ts';
import { integer, positive } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

interface ClipOptions {
  readonly budget: number;
  readonly minRatio: number;
  readonly round: number;
  readonly action: number;
}

/** The clip of the released AMC code, to compare with: `docs/algorithms/amc.md` says what differs from Lathe's own. */
function addClipCommand(network: Command): void {
  network
    .command('clip <network>')
    .description("channels that AMC's released clip leaves of a chain of layers, such as mobilenet-v1")
    .option('--budget <x>', 'of the multiply-accumulates', positive, 0.5)
    .option('--min-ratio <x>', 'that stays of each layer at least', positive, 0.2)
    .option('--round <n>', 'channels are kept in multiples of this', integer(1, 1024), 8)
    .option('--action <x>', 'ratio that is asked of every layer', positive, 1)
    .action(async (id: string, { budget, minRatio, round, action }: ClipOptions, command: Command) => {
      const options = globalOptions(command);
      const input = { network: { id }, budget, lowerBound: minRatio, roundTo: round, action };
      const { layers, ratio } = await withService(options, (service) => service.call('prune.compatible', input));
      if (options.json) {
        printJson({ layers, ratio });
        return;
      }
      printTable(
        ['layer', 'input channels', 'kept'],
        layers.map(({ layer, channels, kept }) => [layer, count(channels), count(kept)]),
        [1, 2],
      );
      printLine(`${(100 * ratio).toFixed(3)} % of the multiply-accumulates stay`);
    });
}

export function addNetworkStructureCommands(network: Command): void {
  addClipCommand(network);
  network
    .command('diff <first> <second>')
    .description('operators added, removed and changed, and what that does to MACs and parameters')
    .option('--dataset <id>', 'the variants that fit this data set')
    .option('--all', 'also the operators that are the same')
    .action(async (first: string, second: string, own: { dataset?: string; all?: true }, command: Command) => {
      const options = globalOptions(command);
      const input = { first: { id: first }, second: { id: second }, ...(own.dataset === undefined ? {} : { dataset: own.dataset }) };
      const diff = await withService(options, (service) => service.call('network.diff', input));
      if (options.json) {
        printJson(diff);
        return;
      }
      printLine(`${diff.first} -> ${diff.second}`);
      printLine(`${diff.added} added, ${diff.removed} removed, ${diff.changed} changed, ${diff.same} the same`);
      printLine(`MACs ${change(diff.macs)}; parameters ${change(diff.params)}\n`);
      const rows = diff.rows.filter((row) => own.all === true || row.change !== 'same');
      printTable(['', 'layer', 'op', 'MACs', 'parameters', 'what'], rows.map(diffCells), [3, 4]);
    });
}

/** Prints the coupled channels of a structure: what must be kept or removed together. */
export function printGroups({ groups }: NetworkStructure): void {
  printTable(
    ['group', 'units', 'channels each', 'written by', 'tied by', 'read by', 'locked'],
    groups.map((group) => [
      group.name,
      count(group.units),
      count(group.channelsPerUnit),
      listed(group.producers),
      listed(group.joints),
      listed(group.consumers),
      group.locked ?? '',
    ]),
    [1, 2],
  );
}

/** Prints the counts by convention, what layers move and what was published. */
export function printTraffic({ nodes, counts, published }: NetworkStructure): void {
  printTable(
    ['layer', 'op', 'output', 'MACs', 'weight bytes', 'activation bytes', 'MACs a byte'],
    nodes.map((node) => [
      node.name,
      node.op,
      shape(node.outputShape),
      count(node.macs),
      count(node.weightBytes),
      count(node.activationBytes),
      node.macsPerByte === null ? '' : node.macsPerByte.toFixed(2),
    ]),
    [3, 4, 5, 6],
  );
  printLine('\nmultiply-accumulates by convention:');
  for (const [convention, macs] of Object.entries(counts)) printLine(`  ${convention}: ${count(macs)}`);
  if (published.length > 0) printLine('published:');
  for (const figures of published) printLine(`  ${publishedLine(figures)}`);
}

function publishedLine({ macs, params, top1, top5, latencies, source, note }: NetworkStructure['published'][number]): string {
  const percent = (value: number): string => (100 * value).toFixed(2).replace(/0$/, '');
  const parts = [
    ...(top1 === undefined ? [] : [`top-1 ${percent(top1)} %`]),
    ...(top5 === undefined ? [] : [`top-5 ${percent(top5)} %`]),
    ...(macs === undefined ? [] : [`${count(macs)} MACs`]),
    ...(params === undefined ? [] : [`${count(params)} parameters`]),
    ...(latencies ?? []).map(({ device, ms }) => `${ms} ms on ${device}`),
  ];
  return `${parts.join(', ')} (${source}${note === undefined ? '' : `; ${note}`})`;
}

function diffCells({ name, op, change: kind, details, macs, params }: NetworkDiffRow): string[] {
  const mark = { added: '+', removed: '-', changed: '~', same: ' ' }[kind];
  return [mark, name, op, deltaOf(macs), deltaOf(params), details.join('; ')];
}

function deltaOf([before, after]: NetworkDiffRow['macs']): string {
  const delta = (after ?? 0) - (before ?? 0);
  return delta > 0 ? `+${count(delta)}` : delta < 0 ? `-${count(-delta)}` : '';
}

function change([before, after]: readonly [number, number]): string {
  const percent = (100 * (after - before)) / before;
  return `${count(before)} -> ${count(after)} (${percent >= 0 ? '+' : ''}${percent.toFixed(1)} %)`;
}

function listed(names: readonly string[]): string {
  return names.length <= 3 ? names.join(' ') : `${names.slice(0, 3).join(' ')} and ${names.length - 3} more`;
}
