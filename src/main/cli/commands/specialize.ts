/** Commands about search spaces and the search in them. */
import { InvalidArgumentError, type Command } from 'commander';
import { count, ms, percent, si } from '../../../shared/format.ts';
import type { Budget } from '../../../shared/policy.ts';
import { resourceUnits } from '../../../shared/policy.ts';
import type { RunDetail, RunRequest } from '../../../shared/run.ts';
import type { SpecializeParameters } from '../../../shared/specialize.ts';
import { budgets, integer, networkRef, oneOf, positive, withVariantOptions } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { note, printJson, printLine, printTable } from '../output.ts';
import { exportWords, printSolutions, searchResult } from '../results.ts';
import { trainingInput, withTrainingOptions, type TrainingOptions } from './search.ts';

interface SpecializeOptions extends TrainingOptions {
  readonly target: string;
  readonly budget: readonly Budget[];
  readonly space?: string;
  readonly hardwareBatch?: number;
  readonly warmupEpochs?: number;
  readonly searchEpochs?: number;
  readonly searchBatch?: number;
  readonly searchLr?: number;
  readonly warmupLr?: number;
  readonly algorithm?: SpecializeParameters['algorithm'];
  readonly gates?: SpecializeParameters['gates'];
  readonly objective?: SpecializeParameters['objective'];
  readonly costWeight?: number;
  readonly alphaLr?: number;
  readonly alphaEvery?: number;
  readonly validationImages?: number;
  readonly selectionNetworks?: number;
  readonly randomRivals?: number;
  readonly evolutionRival?: boolean;
  readonly also?: readonly AlsoTarget[];
  readonly widthRival: boolean;
  readonly onnx?: string;
}

interface AlsoTarget {
  readonly target: string;
  readonly budgets: Budget[];
}

/** `--also TARGET:latency=0.3`, given once a target. */
function alsoTarget(text: string, previous: readonly AlsoTarget[] | undefined): AlsoTarget[] {
  const colon = text.indexOf(':');
  if (colon < 1) throw new InvalidArgumentError('expected TARGET:BUDGET, such as bismo-edge:latency=0.3.');
  return [...(previous ?? []), { target: text.slice(0, colon), budgets: budgets(text.slice(colon + 1), undefined) }];
}

export function addSpecializeCommands(program: Command): void {
  addSpaceCommands(program);
  withTrainingOptions(
    withVariantOptions(
      program
        .command('specialize [network]')
        .description(
          'search an architecture for a target under a budget (ProxylessNAS); fractions are of [network], by default mobilenet-v2',
        ),
    ),
  )
    .requiredOption('--target <id>', 'the hardware target')
    .requiredOption(
      '--budget <resource=value>',
      'latency=0.4 (of the reference network at 8 bits), latency=2.5ms; several may be given',
      budgets,
    )
    .option('--space <id|file.json>', 'the search space (default: what fits the images; see "space list")')
    .option('--hardware-batch <n>', "images at once on the target (default: the target's)", integer(1, 4096))
    .option('--warmup-epochs <n>', 'epochs of the supernet on random paths', integer(0, 10_000))
    .option('--search-epochs <n>', 'epochs in which weights and architecture learn in turn', integer(1, 10_000))
    .option('--search-batch <n>', 'images of a step of the supernet', integer(2, 4096))
    .option('--warmup-lr <rate>', 'peak rate of the warm-up', positive)
    .option('--search-lr <rate>', 'peak rate of the weights in the search', positive)
    .option('--algorithm <kind>', 'gradient or reinforce', oneOf(['gradient', 'reinforce']))
    .option('--gates <form>', 'candidates of a block that compete in a step: two or full', oneOf(['two', 'full']))
    .option(
      '--objective <form>',
      'constraint (meets the first budget), power or additive (pulls towards it)',
      oneOf(['constraint', 'power', 'additive']),
    )
    .option('--cost-weight <w>', 'how strongly cost counts in the objective', positive)
    .option('--alpha-lr <rate>', "Adam's rate of the architecture parameters", positive)
    .option('--alpha-every <steps>', 'weight steps between two steps of the architecture', integer(1, 10_000))
    .option('--validation-images <n>', 'training images that the architecture learns on, and the weights do not', integer(2, 10_000_000))
    .option(
      '--selection-networks <n>',
      'likely networks that are tried as wholes with the shared weights before one is chosen; 1: the likeliest as it is',
      integer(1, 100_000),
    )
    .option('--random-rivals <n>', 'random networks of equal cost, trained as the found one', integer(0, 100))
    .option('--also <target:budget>', 'a further target that gets a network from the same supernet; several may be given', alsoTarget)
    .option('--evolution-rival', 'train the best network that evolution finds with the shared weights, too')
    .option('--onnx <file>', 'write the found network to an ONNX file')
    .option('--no-width-rival', 'do not train the reference network at the width that meets the budget')
    .action(async (id: string | undefined, own: SpecializeOptions, command: Command) => {
      const options = globalOptions(command);
      const { detail, file } = await withService(options, async (service) => {
        const detail = await followRun(service, () => service.call('run.create', requestOf(id ?? 'mobilenet-v2', own)));
        const network = detail.solutions.find(({ role }) => role === 'best')?.architecture?.network;
        if (own.onnx === undefined || !network) return { detail, file: null };
        return { detail, file: await service.call('network.export', { network: { id: network }, path: own.onnx }) };
      });
      if (options.json) {
        printJson({ ...searchResult(detail), ...(file ? { onnx: file } : {}) });
        return;
      }
      printSolutions(detail.solutions);
      printAcross(detail);
      printArchitecture(detail);
      if (file) printLine(exportWords(file));
      note(`run ${detail.summary.id}: "lathe run show ${detail.summary.id}" shows it again`);
    });
}

function requestOf(id: string, own: SpecializeOptions): RunRequest {
  return {
    method: 'specialize',
    ...trainingInput(id, own),
    network: networkRef(id, own),
    target: own.target,
    budgets: [...own.budget],
    ...(own.space === undefined ? {} : { space: own.space }),
    ...(own.hardwareBatch === undefined ? {} : { batch: own.hardwareBatch }),
    ...(own.also === undefined ? {} : { also: [...own.also] }),
    search: searchOf(own),
  };
}

/** The parameters that were named. */
function searchOf(own: SpecializeOptions): Partial<SpecializeParameters> {
  const named: { readonly [K in keyof SpecializeParameters]?: SpecializeParameters[K] | undefined } = {
    warmupEpochs: own.warmupEpochs,
    searchEpochs: own.searchEpochs,
    batchSize: own.searchBatch,
    warmupRate: own.warmupLr,
    searchRate: own.searchLr,
    algorithm: own.algorithm,
    gates: own.gates,
    objective: own.objective,
    costWeight: own.costWeight,
    architectureRate: own.alphaLr,
    architectureEvery: own.alphaEvery,
    validationImages: own.validationImages,
    selectionNetworks: own.selectionNetworks,
    randomRivals: own.randomRivals,
    evolutionRival: own.evolutionRival,
    widthRival: own.widthRival,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}

/** Every network on every target of the run, where there are several: what each was made for is cheapest there. */
function printAcross({ solutions }: RunDetail): void {
  const targets = solutions[0]?.architecture?.costs.map(({ target }) => target) ?? [];
  if (targets.length < 2) return;
  printLine('');
  printTable(
    ['network', ...targets.map((target) => `${target} (ms)`)],
    solutions.map(({ label, architecture }) => [label, ...(architecture?.costs ?? []).map(({ latencyMs }) => ms(latencyMs))]),
    targets.map((_, index) => index + 1),
  );
}

/** What was chosen in each block, and whether that was decided. */
export function printArchitecture(detail: RunDetail): void {
  const best = detail.solutions.find((solution) => solution.role === 'best')?.architecture;
  if (!best?.architecture) return;
  printLine('');
  printTable(
    ['block', 'chosen', 'likeliest', 'probability (%)', 'entropy', ''],
    best.architecture.choices.map(({ block, candidate }, index) => {
      const decision = best.decisions[index];
      return [
        block,
        candidate,
        decision?.candidate ?? '',
        percent(decision?.probability ?? null),
        decision ? decision.entropy.toFixed(3) : '',
        decision ? (decision.decided ? 'decided' : 'coin toss') : '',
      ];
    }),
    [3, 4],
  );
}

function addSpaceCommands(program: Command): void {
  const space = program.command('space').description('search spaces: what specialize chooses from');
  space
    .command('list')
    .description('the spaces that come with Lathe')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const spaces = await withService(options, (service) => service.call('space.list', {}));
      if (options.json) {
        printJson(spaces);
        return;
      }
      printTable(
        ['id', 'title', 'input', 'blocks', 'candidates', 'networks'],
        spaces.map((entry) => [
          entry.space.id,
          entry.space.title,
          String(entry.space.inputSize),
          String(entry.space.stages.reduce((sum, stage) => sum + stage.blocks, 0)),
          entry.space.candidates.join(' '),
          si(Number(entry.networks)),
        ]),
        [2, 3, 5],
      );
    });
  space
    .command('show [space]')
    .description('a space (an id or a .json file) on a target: blocks, size, and what its networks cost')
    .requiredOption('--dataset <id>', 'the data set that it is fitted to')
    .requiredOption('--target <id>', 'the hardware target')
    .option('--hardware-batch <n>', "images at once on the target (default: the target's)", integer(1, 4096))
    .action(async (id: string | undefined, own: { dataset: string; target: string; hardwareBatch?: number }, command: Command) => {
      const options = globalOptions(command);
      const preview = await withService(options, (service) =>
        service.call('space.preview', {
          dataset: own.dataset,
          target: own.target,
          ...(id === undefined ? {} : { space: id }),
          ...(own.hardwareBatch === undefined ? {} : { batch: own.hardwareBatch }),
        }),
      );
      if (options.json) {
        printJson(preview);
        return;
      }
      printLine(
        `${preview.space.title}: ${si(Number(preview.networks))} networks at ${preview.fit.shape.join(' x ')}, batch ${String(preview.batch)}\n`,
      );
      printTable(
        ['resource', 'unit', 'least', 'most', 'shared by all', 'reference'],
        preview.resources.map((row) => {
          const show = row.resource === 'latency' || row.resource === 'energy' ? ms : count;
          return [
            row.resource,
            resourceUnits[row.resource],
            ...[row.least, row.most, row.fixed, row.reference].map((value) => show(value)),
          ];
        }),
        [2, 3, 4, 5],
      );
      printLine('');
      const names = preview.space.candidates;
      printTable(
        ['block', 'channels', 'stride', ...names.map((name) => (name === 'zero' ? 'zero (ms)' : `${name} (ms)`))],
        preview.blocks.map((block) => [
          block.name,
          `${String(block.inChannels)} > ${String(block.outChannels)}`,
          String(block.stride),
          ...names.map((name) => ms(block.candidates.find(({ candidate }) => candidate === name)?.latencyMs ?? null)),
        ]),
        [2, ...names.map((_, index) => index + 3)],
      );
    });
}
