/**
 * The terminal face. Every command prints a table for a person, or with `--json` one JSON document on stdout; logs and
 * progress go to stderr. Exit codes: 0 done, 1 failed (one line on stderr says why), 2 bad usage.
 */
import { Command, CommanderError } from 'commander';
import { addBackupCommands } from './commands/backups.ts';
import { addCatalogueCommands } from './commands/catalogue.ts';
import { addCrashCommands } from './commands/crashes.ts';
import { addDatasetCommands } from './commands/datasets.ts';
import { addHardwareCommands } from './commands/hardware.ts';
import { addEvaluateCommand } from './commands/evaluate.ts';
import { addPipelineCommand } from './commands/pipeline.ts';
import { addPruneCommand } from './commands/prune.ts';
import { addQueueCommands } from './commands/queue.ts';
import { addRunCommands } from './commands/runs.ts';
import { addSearchCommands } from './commands/search.ts';
import { addStudyCommands } from './commands/studies.ts';
import { addSpecializeCommands } from './commands/specialize.ts';
import { addSystemCommands } from './commands/system.ts';
import { addTableCommands } from './commands/tables.ts';
import { reportFailure } from './context.ts';
import { dropOutputNobodyReads } from './output.ts';

const usageExitCode = 2;

export async function main(argv: readonly string[]): Promise<void> {
  dropOutputNobodyReads();
  const program = new Command('lathe')
    .description('Hardware-aware neural-network design on one workstation: searches, targets, experiments.')
    .option('--json', 'print one JSON document on stdout')
    .option('--data-dir <dir>', "where Lathe keeps its data (default: the platform's application-data folder)")
    .option('--queue <url>', 'let the workers of this queue do the runs, as redis://host:6379 (see docs/guide/scale-out.md)')
    .showHelpAfterError('(add --help for usage)')
    .exitOverride();
  addCatalogueCommands(program);
  addDatasetCommands(program);
  addHardwareCommands(program);
  addTableCommands(program);
  addSearchCommands(program);
  addPruneCommand(program);
  addSpecializeCommands(program);
  addPipelineCommand(program);
  addEvaluateCommand(program);
  addRunCommands(program);
  addStudyCommands(program);
  addQueueCommands(program);
  addSystemCommands(program);
  addBackupCommands(program);
  addCrashCommands(program);
  inheritSettings(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : usageExitCode;
      return;
    }
    reportFailure(error);
  }
}

/** Global options may stand behind a subcommand, and usage errors of every subcommand come back here. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    child
      .option('--json', 'print one JSON document on stdout')
      .option('--data-dir <dir>', 'where Lathe keeps its data')
      .option('--queue <url>', 'let the workers of this queue do the runs');
    inheritSettings(child);
  }
}

await main(process.argv.slice(2));
