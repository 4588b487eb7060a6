/** Arguments of the command line that need more than a string. A value that does not parse is bad usage: exit code 2. */
import { InvalidArgumentError, type Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { describeZodError, LatheError } from '../../shared/errors.ts';
import type { NetworkRef } from '../../shared/network.ts';
import { quantizePolicySchema, type Budget, type QuantizePolicy } from '../../shared/policy.ts';
import type { SpaceRef } from '../../shared/space.ts';
import { parseBudget } from './budget.ts';

export function integer(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < low || value > high || text.trim() === '') {
      throw new InvalidArgumentError(`expected a whole number from ${String(low)} to ${String(high)}.`);
    }
    return value;
  };
}

export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('expected a number above 0.');
  return value;
}

export function number(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('expected a number.');
  return value;
}

/** Collects `--budget` given several times, or several in one argument separated by commas. */
export function budgets(text: string, previous: readonly Budget[] | undefined): Budget[] {
  try {
    return [...(previous ?? []), ...text.split(',').map(parseBudget)];
  } catch (error) {
    throw new InvalidArgumentError(error instanceof LatheError ? error.message : String(error));
  }
}

/** The options that choose a network's variant. */
export function withVariantOptions(command: Command): Command {
  return command
    .option('--width <multiplier>', 'width multiplier of the network', positive)
    .option('--input-size <pixels>', 'side of the input image', integer(1, 1024))
    .option('--input-channels <n>', 'channels of the input image', integer(1, 16))
    .option('--classes <n>', 'number of classes', integer(2, 100_000))
    .option('--stem <kind>', 'imagenet or small (the first convolution keeps the resolution)', oneOf(['imagenet', 'small']));
}

export interface VariantOptions {
  readonly width?: number;
  readonly inputSize?: number;
  readonly inputChannels?: number;
  readonly classes?: number;
  readonly stem?: 'imagenet' | 'small';
}

export function networkRef(id: string, options: VariantOptions): NetworkRef {
  return {
    id,
    ...(options.width === undefined ? {} : { width: options.width }),
    ...(options.inputSize === undefined ? {} : { inputSize: options.inputSize }),
    ...(options.inputChannels === undefined ? {} : { inputChannels: options.inputChannels }),
    ...(options.classes === undefined ? {} : { classes: options.classes }),
    ...(options.stem === undefined ? {} : { stem: options.stem }),
  };
}

/** The search spaces that are named by `--space`, at the same input as the networks beside them. */
export function spaceRefs(spaces: readonly string[] = [], { inputSize, inputChannels, classes }: VariantOptions): SpaceRef[] {
  return spaces.map((space) => ({
    space,
    ...(inputSize === undefined ? {} : { inputSize }),
    ...(inputChannels === undefined ? {} : { inputChannels }),
    ...(classes === undefined ? {} : { classes }),
  }));
}

export function oneOf(choices: readonly string[]): (text: string) => string {
  return (text) => {
    if (!choices.includes(text)) throw new InvalidArgumentError(`expected one of ${choices.join(', ')}.`);
    return text;
  };
}

/** Largest policy file that is read: far above any real one. */
const maximumPolicyBytes = 10_000_000;

/** A policy file: the policy itself, or a run's export, or what `quantize --json` printed. */
export async function readPolicy(path: string): Promise<QuantizePolicy> {
  let text: string;
  try {
    const content = await readFile(path);
    if (content.length > maximumPolicyBytes)
      throw new LatheError(
        'bad-input',
        `policy ${path}: expected at most ${String(maximumPolicyBytes)} bytes, found ${String(content.length)}`,
      );
    text = content.toString('utf8');
  } catch (error) {
    if (error instanceof LatheError) throw error;
    throw new LatheError(
      'not-found',
      `policy ${path}: the file cannot be read (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LatheError('bad-input', `policy ${path}: expected JSON (${error instanceof Error ? error.message : String(error)})`);
  }
  const candidate = findPolicy(value);
  const parsed = quantizePolicySchema.safeParse(candidate);
  if (!parsed.success) throw new LatheError('bad-input', `policy ${path}: ${describeZodError(parsed.error)}`);
  return parsed.data;
}

function findPolicy(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('best' in value && typeof value.best === 'object' && value.best !== null && 'policy' in value.best) return value.best.policy;
  if ('policy' in value) return value.policy;
  return value;
}
