/** Commands about data sets: what there is, adding what lies on the disk, looking at it, and the cache of decoded images. */
import { InvalidArgumentError, type Command } from 'commander';
import { stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Input, LatheEvent } from '../../../shared/contract.ts';
import { partsText, type DatasetInfo, type DatasetInspection } from '../../../shared/dataset.ts';
import { LatheError } from '../../../shared/errors.ts';
import { bytes, count, shape } from '../../../shared/format.ts';
import type { Service } from '../../service/index.ts';
import { integer, oneOf } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { note, printJson, printLine, printTable, progressView } from '../output.ts';

/** Broken files that are listed on a terminal; `--json` lists all. */
const brokenShown = 20;

export function addDatasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('the data sets that Lathe knows, and your own');
  addListCommands(dataset);
  addAddCommand(dataset);
  addPreviewCommand(dataset);
  addCacheCommand(dataset);
  dataset
    .command('remove <dataset>')
    .description('forget a data set and its decoded images (your own files stay where they are)')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('dataset.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`${removed.id} removed`);
    });
}

function addListCommands(dataset: Command): void {
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
        ['id', 'kind', 'images', 'classes', 'train', 'validation', 'test', 'here', 'to add it'],
        datasets.map((entry) => [
          entry.id,
          entry.kind,
          shape(entry.shape),
          String(entry.classes),
          count(entry.train - (entry.validation?.images ?? 0)),
          entry.validation ? count(entry.validation.images) : 'by run',
          count(entry.test),
          entry.available ? 'yes' : 'no',
          entry.hint ?? '',
        ]),
        [3, 4, 5, 6],
      );
    });
  dataset
    .command('show <dataset>')
    .description('one data set: classes, splits, hashes, files, what was skipped')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) => service.call('dataset.show', { id }));
      if (options.json) printJson(info);
      else printDataset(info);
    });
}

interface AddOptions {
  readonly name?: string;
  readonly kind: Extract<Input<'dataset.add'>, { kind: 'path' }>['format'];
  readonly imageSize?: number;
  readonly crop: 'centre' | 'none' | 'stretch';
  readonly channels: 1 | 3;
  readonly validation: number;
  readonly test: number;
  readonly seed: number;
  readonly skipBroken?: boolean;
  readonly normalisation: 'measured' | 'imagenet' | 'none';
  readonly mean?: number[];
  readonly std?: number[];
  readonly dryRun?: boolean;
  readonly trainImages?: string;
  readonly trainLabels?: string;
  readonly testImages?: string;
  readonly testLabels?: string;
  readonly classes?: number;
}

function addAddCommand(dataset: Command): void {
  dataset
    .command('add <path>')
    .description(
      'a folder of images per class, a CSV table (path,label[,split]), CIFAR-10 or CIFAR-100 binary files or IDX files in a folder; fashion-mnist; or an id with four IDX files',
    )
    .option('--name <id>', "the data set's id (default: from the path)")
    .option(
      '--kind <kind>',
      'auto, idx, cifar-10, cifar-100, folder or csv',
      oneOf(['auto', 'idx', 'cifar-10', 'cifar-100', 'folder', 'csv']),
      'auto',
    )
    .option('--image-size <pixels>', 'side to which images are brought (default: theirs, where all have one up to 256)', integer(1, 1024))
    .option('--crop <how>', 'centre (cover and cut), none (fit, on black) or stretch', oneOf(['centre', 'none', 'stretch']), 'centre')
    .option('--channels <n>', '3 (colour) or 1 (grey)', channels, 3)
    .option('--validation <fraction>', 'of the training images, where none are given', fraction, 0.1)
    .option('--test <fraction>', 'of all images, where none are given', fraction, 0.1)
    .option('--seed <n>', 'seed of these splits', integer(0, 0xffff_ffff), 0)
    .option(
      '--normalisation <how>',
      'measured (on the training images), imagenet or none',
      oneOf(['measured', 'imagenet', 'none']),
      'measured',
    )
    .option('--mean <numbers>', 'normalisation of your own: a mean a channel, 0..1, with --std', numbers)
    .option('--std <numbers>', 'and a standard deviation a channel', numbers)
    .option('--skip-broken', 'leave out images that cannot be decoded, and list them')
    .option('--dry-run', 'say what lies there, and add nothing')
    .option('--train-images <file>', 'IDX file, plain or gzip')
    .option('--train-labels <file>', 'IDX file')
    .option('--test-images <file>', 'IDX file')
    .option('--test-labels <file>', 'IDX file')
    .option('--classes <n>', 'of four IDX files: number of classes (default: the largest label + 1)', integer(2, 65_535))
    .action(async (path: string, own: AddOptions, command: Command) => {
      const options = globalOptions(command);
      const input = await addInput(path, own, command);
      if (own.dryRun === true) {
        if (input.kind !== 'path')
          command.error('error: --dry-run looks at a path; fashion-mnist and four IDX files have nothing to look at');
        const { format } = input;
        const found = await withService(options, (service) =>
          service.call('dataset.inspect', { path: resolve(path), ...(format ? { format } : {}) }),
        );
        if (options.json) printJson(found);
        else printInspection(found);
        return;
      }
      const info = await withService(options, (service) => followAdding(service, input));
      if (options.json) printJson(info);
      else printDataset(info);
    });
}

async function addInput(path: string, own: AddOptions, command: Command): Promise<Input<'dataset.add'>> {
  const { trainImages, trainLabels, testImages, testLabels, classes } = own;
  const given = [trainImages, trainLabels, testImages, testLabels].filter((file) => file !== undefined).length;
  if (trainImages !== undefined && trainLabels !== undefined && testImages !== undefined && testLabels !== undefined) {
    return {
      kind: 'idx',
      id: own.name ?? path,
      trainImages: resolve(trainImages),
      trainLabels: resolve(trainLabels),
      testImages: resolve(testImages),
      testLabels: resolve(testLabels),
      ...(classes === undefined ? {} : { classes }),
    };
  }
  if (given > 0) command.error('error: an IDX data set needs all four of --train-images, --train-labels, --test-images and --test-labels');
  if (path === 'fashion-mnist') return { kind: 'fashion-mnist' };
  if (!(await exists(path))) {
    command.error(
      `error: ${path}: there is no such file or folder; give the path of your images, or fashion-mnist, or an id with --train-images, --train-labels, --test-images and --test-labels (IDX files)`,
    );
  }
  if ((own.mean === undefined) !== (own.std === undefined)) command.error('error: --mean and --std belong together: give both');
  const { name, kind, imageSize, crop, validation, test, seed, skipBroken, normalisation, mean, std } = own;
  return {
    kind: 'path',
    path: resolve(path),
    format: kind,
    ...(name === undefined ? {} : { id: name }),
    ...(imageSize === undefined ? {} : { imageSize }),
    crop,
    channels: own.channels,
    validation,
    test,
    seed,
    skipBroken: skipBroken === true,
    normalisation: mean && std ? { mean, std } : normalisation,
  };
}

/** Adds with progress on stderr; Ctrl-C stops it, and nothing of it stays. */
async function followAdding(service: Service, input: Input<'dataset.add'>): Promise<DatasetInfo> {
  const view = progressView();
  let id: string | null = null;
  const unsubscribe = service.subscribe((event: LatheEvent) => {
    if (event.name !== 'dataset.progress') return;
    const { phase, broken } = event.payload;
    id = event.payload.id;
    view.show({ ...event.payload, phase }, broken === 0 ? '' : `${String(broken)} broken`);
  });
  const stop = (): void => {
    if (id === null) return;
    note('\nstopping; nothing of it stays …');
    service.call('dataset.cancel', { id }).catch(() => undefined); // already ended: the call says so itself
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await service.call('dataset.add', input);
  } finally {
    view.stop();
    unsubscribe();
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

function addPreviewCommand(dataset: Command): void {
  dataset
    .command('preview <dataset>')
    .description('write a picture of some training images of each class, as a PNG file')
    .option('--out <file>', 'the file (default: <dataset>.png here)')
    .option('--per-class <n>', 'images of each class', integer(1, 64), 10)
    .option('--force', 'replace a file that is there')
    .action(async (id: string, own: { out?: string; perClass: number; force?: boolean }, command: Command) => {
      const options = globalOptions(command);
      const path = resolve(own.out ?? `${id}.png`);
      if (own.force !== true && (await exists(path)))
        throw new LatheError('conflict', `${path} is there already; name another with --out, or replace it with --force`);
      const { png, ...rest } = await withService(options, (service) => service.call('dataset.sheet', { id, perClass: own.perClass }));
      try {
        await writeFile(path, Buffer.from(png, 'base64'));
      } catch (error) {
        throw new LatheError('unavailable', `${path} could not be written (${error instanceof Error ? error.message : String(error)})`);
      }
      if (options.json) printJson({ id, path, ...rest });
      else printLine(`${path}: ${String(rest.classes)} classes, ${String(rest.width)} x ${String(rest.height)} pixels`);
    });
}

function addCacheCommand(dataset: Command): void {
  dataset
    .command('cache')
    .description('the decoded images on disk: how much, and the bound beyond which those used longest ago go')
    .option('--limit <size>', 'the bound, such as 500MB or 20GB', sizeBytes)
    .action(async (own: { limit?: number }, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) =>
        service.call('dataset.cache', own.limit === undefined ? {} : { limitBytes: own.limit }),
      );
      if (options.json) printJson(info);
      else printLine(`${info.path}: ${bytes(info.usedBytes)} in ${String(info.entries)} files, bound ${bytes(info.limitBytes)}`);
    });
}

function printDataset(info: DatasetInfo): void {
  const validation = info.validation;
  printLine(
    `${info.id} (${info.kind}): ${shape(info.shape)}, ${String(info.classes)} classes, ${count(info.train)} training images ` +
      `(${validation ? `${count(validation.images)} of them for validation, ${validation.given ? 'given' : `by seed ${String(validation.seed)}`}` : 'each run says how many validate'}), ` +
      `${count(info.test)} test images\nsha256 ${info.sha256} of the decoded content\nfrom ${info.source}`,
  );
  const { origin, normalisation } = info;
  if (origin) printLine(`sha256 ${origin.listingSha256} of the source's listing`);
  printLine(
    `normalisation ${normalisation ? `mean ${normalisation.mean.join(', ')}, deviation ${normalisation.std.join(', ')}` : "measured on each run's training images"}`,
  );
  if (!info.available) printLine(`not here: ${info.hint ?? 'add it'}`);
  for (const text of origin?.notes ?? []) printLine(`note: ${text}`);
  const broken = origin?.broken ?? [];
  if (broken.length > 0) printLine(`skipped ${String(broken.length)} broken ${broken.length === 1 ? 'image' : 'images'}:`);
  for (const { path, reason } of broken.slice(0, brokenShown)) printLine(`  ${path}: ${reason}`);
  if (broken.length > brokenShown) printLine(`  and ${String(broken.length - brokenShown)} more (--json lists all)`);
  printLine('');
  printTable(
    ['label', 'class', 'train', 'test'],
    info.classNames.map((name, label) => [
      String(label),
      name,
      count(info.classCounts?.train[label]),
      count(info.classCounts?.test[label]),
    ]),
    [0, 2, 3],
  );
}

function printInspection(found: DatasetInspection): void {
  printLine(`${found.path}: ${found.kind}, ${String(found.classNames.length)} classes, ${partsText(found.images)}`);
  printLine(`image size ${found.imageSize ? found.imageSize.join(' x ') : 'not one'}; suggested id ${found.suggestedId}`);
  for (const text of found.notes) printLine(`note: ${text}`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 0.9)) throw new InvalidArgumentError('expected a fraction from 0 to 0.9.');
  return value;
}

function channels(text: string): number {
  if (text !== '1' && text !== '3') throw new InvalidArgumentError('expected 1 or 3.');
  return Number(text);
}

function numbers(text: string): number[] {
  const values = text.split(',').map(Number);
  if (values.length > 16 || !values.every(Number.isFinite))
    throw new InvalidArgumentError('expected numbers with commas between, such as 0.5,0.5,0.5.');
  return values;
}

function sizeBytes(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(MB|GB|TB)$/i.exec(text.trim());
  const units: Readonly<Record<string, number>> = { MB: 1e6, GB: 1e9, TB: 1e12 };
  const value = found ? Number(found[1]) * (units[(found[2] ?? '').toUpperCase()] ?? 0) : 0;
  if (!(value >= 1e6)) throw new InvalidArgumentError('expected a size with its unit from 1MB on, such as 500MB or 20GB.');
  return Math.round(value);
}
