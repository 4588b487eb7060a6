/** Commands about hardware: targets, Lathe's and the user's; and what a network costs on them. */
import type { Command } from 'commander';
import type { Input } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { bytes, count, fixed, millijoules, ms, percent, si, significant } from '../../../shared/format.ts';
import type { QuantizePolicy } from '../../../shared/policy.ts';
import { roofline, type Roofline } from '../../../shared/roofline.ts';
import type { Finding, Simulation } from '../../../shared/simulation.ts';
import { lawLabels, type TargetInfo } from '../../../shared/target.ts';
import { integer, networkRef, readPolicy, withVariantOptions, type VariantOptions } from '../arguments.ts';
import { globalOptions, withService, type GlobalOptions } from '../context.ts';
import { readText, writeText } from '../files.ts';
import { printJson, printLine, printTable } from '../output.ts';
import { fillingOf, printPrediction, requireWhole } from './tables.ts';

export function addHardwareCommands(program: Command): void {
  const target = program.command('target').description('the hardware targets that Lathe knows, and your own');
  addTargetReading(target);
  addTargetKeeping(target);
  addTargetCompare(target);
  addSimulateCommand(program);
}

function addTargetReading(target: Command): void {
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
        ['id', 'law', 'clock (MHz)', 'batch', 'energy', 'figures', 'whose', 'title'],
        targets.map(({ target: t, builtIn }) => [
          t.id,
          lawLabels[t.law],
          t.law === 'table' ? '' : String(t.clockMhz),
          String(t.defaultBatch),
          t.energy === null ? 'unknown' : t.energy.technology,
          t.calibration,
          builtIn ? "Lathe's" : 'yours',
          t.title,
        ]),
        [2, 3],
      );
    });
  target
    .command('show <target>')
    .description('the target as stored')
    .action(async (id: string, _own, command: Command) => {
      const info = await withService(globalOptions(command), (service) => service.call('target.show', { id }));
      printJson(info.target);
    });
  target
    .command('export <target> <file>')
    .description('write a target to a file, to share it or to edit it')
    .action(async (id: string, file: string, _own, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) => service.call('target.show', { id }));
      await writeText(file, `${JSON.stringify(info.target, null, 2)}\n`);
      if (options.json) printJson({ id, file });
      else printLine(`${id} written to ${file}`);
    });
  target
    .command('validate <file>')
    .description('say what is wrong with a target file, if anything is')
    .action(async (file: string, _own, command: Command) => {
      const options = globalOptions(command);
      const text = await readText(file);
      const found = await withService(options, (service) => service.call('target.validate', { text }));
      if (options.json) printJson({ valid: found.valid, problems: found.problems });
      else if (found.valid) printLine(`${file} is a target: ${found.target?.title ?? ''}`);
      if (!found.valid) throw new LatheError('bad-input', `${file} is not a target: ${found.problems.join('; ')}`);
    });
}

function addTargetKeeping(target: Command): void {
  target
    .command('add <file>')
    .description('keep a target of your own, from a JSON file')
    .option('--replace', 'in place of the one of the same id')
    .action(async (file: string, own: { replace?: boolean }, command: Command) => {
      const text = await readText(file);
      const info = await withService(globalOptions(command), async (service) => {
        const found = await service.call('target.validate', { text });
        if (found.target === null) throw new LatheError('bad-input', `${file} is not a target: ${found.problems.join('; ')}`);
        return await service.call('target.add', { target: found.target, replace: own.replace === true });
      });
      printKept(info, command);
    });
  target
    .command('copy <target> <id>')
    .description('keep a copy under another id, to edit it')
    .option('--title <text>', 'its title')
    .action(async (from: string, id: string, own: { title?: string }, command: Command) => {
      const info = await withService(globalOptions(command), async (service) => {
        const original = await service.call('target.show', { id: from });
        const title = own.title ?? `${original.target.title} (copy)`;
        return await service.call('target.add', { target: { ...original.target, id, title } });
      });
      printKept(info, command);
    });
  target
    .command('remove <target>')
    .description('forget a target of your own')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('target.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`${removed.id} removed`);
    });
}

function printKept(info: TargetInfo, command: Command): void {
  if (globalOptions(command).json) printJson({ id: info.target.id, sha256: info.sha256 });
  else printLine(`${info.target.id}: ${info.target.title}\nsha256 ${info.sha256}`);
}

interface BitOptions extends VariantOptions {
  readonly weightBits: number;
  readonly activationBits: number;
  readonly policy?: string;
  readonly batch?: number;
  readonly dataset?: string;
}

function withBitOptions(command: Command): Command {
  return withVariantOptions(command)
    .option('--weight-bits <n>', 'bits of all weights', integer(1, 8), 8)
    .option('--activation-bits <n>', 'bits of all activations', integer(1, 8), 8)
    .option('--policy <file>', 'bits layer by layer instead, from a policy file')
    .option('--batch <n>', "images at once (default: the target's)", integer(1, 4096))
    .option('--dataset <id>', 'the variant that fits this data set');
}

function simulateInput(id: string, target: string, own: BitOptions, policy: QuantizePolicy | undefined): Input<'simulate'> {
  return {
    network: networkRef(id, own),
    target,
    weightBits: own.weightBits,
    activationBits: own.activationBits,
    ...(policy === undefined ? {} : { policy }),
    ...(own.batch === undefined ? {} : { batch: own.batch }),
    ...(own.dataset === undefined ? {} : { dataset: own.dataset }),
  };
}

interface SimulateOptions extends BitOptions {
  readonly target: string;
  readonly interpolate?: boolean;
  readonly fit?: boolean;
  readonly lint?: boolean;
  readonly roofline?: boolean;
}

function addSimulateCommand(program: Command): void {
  withBitOptions(program.command('simulate <network>').description('what a network costs on a target, layer by layer'))
    .requiredOption('--target <id>', 'the hardware target')
    .option('--interpolate', 'on a latency table: fill in missing keys between their neighbours, marked')
    .option('--fit', 'on a latency table: fill in missing keys by the operator-class model, marked')
    .option('--lint', 'also what the target does badly with it, with figures')
    .option('--roofline', 'also operation intensity, attained and attainable performance of each layer')
    .action(async (id: string, own: SimulateOptions, command: Command) => {
      const options = globalOptions(command);
      if (await isTable(options, own.target)) {
        await predictOnTable(id, own, command);
        return;
      }
      const policy = own.policy === undefined ? undefined : await readPolicy(own.policy);
      const input = simulateInput(id, own.target, own, policy);
      const { simulation, findings } = await withService(options, async (service) => ({
        simulation: await service.call('simulate', input),
        findings: own.lint === true ? await service.call('simulate.lint', input) : null,
      }));
      const roof = own.roofline === true ? roofline(simulation) : null;
      if (options.json) {
        printJson({
          ...simulation,
          ...(findings === null ? {} : { lint: findings }),
          ...(roof === null ? {} : { roofline: roof }),
        });
        return;
      }
      printSimulation(simulation);
      if (roof !== null) printRoofline(roof);
      if (findings !== null) printFindings(findings);
    });
}

async function isTable(options: GlobalOptions, target: string): Promise<boolean> {
  const info = await withService(options, (service) => service.call('target.show', { id: target }));
  return info.target.law === 'table';
}

/** A network on a target that is a latency table: float, no bits, no cycles. */
async function predictOnTable(id: string, own: SimulateOptions, command: Command): Promise<void> {
  const options = globalOptions(command);
  for (const name of ['weightBits', 'activationBits', 'policy', 'batch', 'lint', 'roofline'])
    if (command.getOptionValueSource(name) === 'cli')
      throw new LatheError(
        'bad-input',
        `target ${own.target} is a latency table of float networks at one batch: leave out --${kebab(name)}`,
      );
  const dataset = own.dataset === undefined ? {} : { dataset: own.dataset };
  const found = await withService(options, (service) =>
    service.call('table.predict', { target: own.target, network: networkRef(id, own), filling: fillingOf(own), ...dataset }),
  );
  const advice = own.target.startsWith('host-cpu')
    ? `lathe table build ${id} --target ${own.target} measures them`
    : '--interpolate or --fit fill them in, marked';
  if (options.json) {
    requireWhole(found, advice);
    const layers = found.parts.map((part) => ({ ...part, cycles: null, energyMj: null, dramBits: null }));
    printJson({ ...found, target: own.target, cycles: null, energyMj: null, dramBits: null, layers });
    return;
  }
  printPrediction(found);
  requireWhole(found, advice);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function energyText(simulation: Simulation): string {
  const { energyMj, energy } = simulation;
  if (energyMj === null || energy === null) return 'energy not modelled by this target';
  return `energy ${millijoules(energyMj)} mJ (array ${millijoules(energy.computeMj)}, buffers ${millijoules(energy.buffersMj)}, DRAM ${millijoules(energy.dramMj)})`;
}

function printSimulation(simulation: Simulation): void {
  printLine(
    `${simulation.network} on ${simulation.target} (${simulation.calibration}), batch ${String(simulation.batch)} (simulated): ${ms(simulation.latencyMs)} ms, ${count(simulation.cycles)} cycles, ` +
      `DRAM ${bytes(simulation.dramBits / 8)}, ${energyText(simulation)}, weights ${bytes(simulation.sizeBytes)}, area ${simulation.areaMm2 === null ? 'unknown' : `${significant(simulation.areaMm2, 4)} mm²`}\n`,
  );
  printTable(
    ['layer', 'kind', 'w bits', 'a bits', 'latency (ms)', 'cycles', 'compute', 'stall', 'DRAM (bit)', 'energy (mJ)', 'utilization (%)'],
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
      layer.energyMj === null ? 'unknown' : millijoules(layer.energyMj),
      percent(layer.utilization, 1),
    ]),
    [2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
}

function printRoofline(roof: Roofline): void {
  printLine(
    `\nRoofline: memory ${si(roof.bandwidth, 'B/s')}, peak ${roof.peaks.map((peak) => si(peak, 'MAC/s')).join(', ')}; ` +
      `the network as a whole: ${fixed(roof.whole.intensity, 2)} MAC/B, ${si(roof.whole.attained, 'MAC/s')}\n`,
  );
  printTable(
    ['layer', 'w bits', 'a bits', 'intensity (MAC/B)', 'ridge (MAC/B)', 'attained (GMAC/s)', 'roof (GMAC/s)', 'bound'],
    roof.points.map((point) => [
      point.name,
      String(point.weightBits),
      String(point.activationBits),
      fixed(point.intensity, 2),
      fixed(point.ridge, 2),
      fixed(point.attained / 1e9, 2),
      fixed(point.roof / 1e9, 2),
      point.bound,
    ]),
    [1, 2, 3, 4, 5, 6],
  );
}

function printFindings(findings: readonly Finding[]): void {
  printLine(findings.length === 0 ? '\nLint: nothing found' : `\nLint: ${String(findings.length)} findings\n`);
  if (findings.length === 0) return;
  printTable(
    ['layer', 'of cycles (%)', 'rule', 'finding'],
    findings.map((finding) => [finding.layer, percent(finding.share, 1), finding.rule, finding.message]),
    [1],
  );
}

function addTargetCompare(target: Command): void {
  withBitOptions(
    target
      .command('compare <a> <b>')
      .description('one network on two targets, layer by layer')
      .requiredOption('--network <network>', 'the network'),
  ).action(async (a: string, b: string, own: BitOptions & { network: string }, command: Command) => {
    const options = globalOptions(command);
    const policy = own.policy === undefined ? undefined : await readPolicy(own.policy);
    const [first, second] = await withService(
      options,
      async (service) =>
        [
          await service.call('simulate', simulateInput(own.network, a, own, policy)),
          await service.call('simulate', simulateInput(own.network, b, own, policy)),
        ] as const,
    );
    if (options.json) printJson({ a: first, b: second });
    else printComparison(first, second);
  });
}

function printComparison(a: Simulation, b: Simulation): void {
  for (const simulation of [a, b]) {
    printLine(
      `${simulation.network} on ${simulation.target} (${simulation.calibration}), batch ${String(simulation.batch)}: ${ms(simulation.latencyMs)} ms, ` +
        `${ms(simulation.latencyMs / simulation.batch)} ms an image, DRAM ${bytes(simulation.dramBits / 8)}, ${energyText(simulation)}`,
    );
  }
  printLine('');
  printTable(
    ['layer', 'kind', `${a.target} (ms/image)`, `${b.target} (ms/image)`, 'ratio', `${a.target} (mJ)`, `${b.target} (mJ)`],
    a.layers.map((layer, index) => {
      const other = b.layers[index];
      const [mine, theirs] = [layer.latencyMs / a.batch, (other?.latencyMs ?? Number.NaN) / b.batch];
      const energy = (mj: number | null | undefined): string => (mj === null || mj === undefined ? 'unknown' : millijoules(mj));
      return [layer.name, layer.kind, ms(mine), ms(theirs), fixed(mine / theirs, 3), energy(layer.energyMj), energy(other?.energyMj)];
    }),
    [2, 3, 4, 5, 6],
  );
}
