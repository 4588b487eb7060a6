/** Commands about the machine and the other faces: doctor, serve, demo. */
import type { Command } from 'commander';
import { integer } from '../arguments.ts';
import { globalOptions, withService } from '../context.ts';
import { runDemo } from '../demo.ts';
import { note, printJson, printLine, printTable } from '../output.ts';

export function addSystemCommands(program: Command): void {
  program
    .command('doctor')
    .description('what this machine has: addon, SIMD level, cores, SQLite, Electron runtime, data sets')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const report = await withService(options, (service) => service.call('system.doctor', {}));
      if (options.json) printJson(report);
      else {
        printTable(
          ['', 'what', 'found'],
          report.checks.map((check) => [check.status, check.name, check.value]),
        );
        for (const check of report.checks) if (check.advice !== null) printLine(`${check.name}: ${check.advice}`);
      }
      if (!report.ok) process.exitCode = 1;
    });
  program
    .command('serve')
    .description('the whole application in a browser, on this machine only')
    .option('--port <n>', 'port on 127.0.0.1', integer(0, 65_535))
    .action(async (own: { port?: number }, command: Command) => {
      const options = globalOptions(command);
      const { serve } = await import('../../serve/index.ts');
      await serve({
        dataDir: options.dataDir,
        log: note,
        ...(own.port === undefined ? {} : { port: own.port }),
        ...(options.queue === undefined ? {} : { queue: options.queue }),
        announce: (url) => {
          if (options.json) printJson({ url });
          else printLine(`Lathe is at ${url}\nCtrl-C stops it; a running search keeps its checkpoint.`);
        },
      });
    });
  program
    .command('demo')
    .description('train a small network on Fashion-MNIST and search its bits for half the 8-bit latency')
    .option('--trials <n>', 'policies to evaluate', integer(1, 1_000_000))
    .option('--seed <n>', 'seed of everything random', integer(0, 0xffff_ffff))
    .option('--threads <n>', 'threads (default: the physical cores)', integer(1, 1024))
    .action(async (own: { trials?: number; seed?: number; threads?: number }, command: Command) => {
      await runDemo(globalOptions(command), own);
    });
}
