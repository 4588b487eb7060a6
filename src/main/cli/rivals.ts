/** `--rivals` and `--seeds` of a search: the same by several methods and seeds, as a study. */
import { InvalidArgumentError, type Command } from 'commander';
import type { Input } from '../../shared/contract.ts';
import { LatheError } from '../../shared/errors.ts';
import { comparedMethods } from '../../shared/study.ts';
import { integer } from './arguments.ts';
import { runStudy } from './commands/studies.ts';
import type { GlobalOptions } from './context.ts';

export interface RivalOptions {
  readonly rivals?: readonly string[];
  readonly seeds?: number;
}

export function withRivalOptions(command: Command, search: keyof typeof comparedMethods): Command {
  const rivals = comparedMethods[search].options.filter((method) => method !== 'ddpg');
  const parse = (text: string): string[] =>
    text.split(',').map((name) => {
      const parsed = comparedMethods[search].safeParse(name.trim());
      if (!parsed.success) throw new InvalidArgumentError(`expected some of ${comparedMethods[search].options.join(', ')}.`);
      return parsed.data;
    });
  return command
    .option('--rivals <methods>', `compare --method with these at equal budget and trials: ${rivals.join(',')}`, parse)
    .option('--seeds <n>', 'with --rivals: seeds from --seed on (default: 1)', integer(1, 100));
}

/** Starts the comparison that was asked for and follows it to its table; false where none was. */
export async function compareMethods(
  options: GlobalOptions,
  request: Input<'study.compare'>['request'],
  { rivals, seeds }: RivalOptions,
): Promise<boolean> {
  if (rivals === undefined) {
    if (seeds !== undefined) throw new LatheError('bad-input', '--seeds belongs to --rivals; give --seed for one run');
    return false;
  }
  const first = request.seed ?? 1;
  const methods = [...new Set([request.search?.method ?? 'ddpg', ...rivals])];
  await runStudy(options, (service) =>
    service.call('study.compare', { request, methods, seeds: Array.from({ length: seeds ?? 1 }, (_, index) => first + index) }),
  );
  return true;
}
