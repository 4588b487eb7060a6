/** Commands about the machine and the other faces: doctor, serve, demo. */
import { isIP } from 'node:net';
import type { Command } from 'commander';
import { LatheError } from '../../../shared/errors.ts';
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
    .option('--port <n>', 'port to listen on', integer(0, 65_535))
    .option('--host <address>', 'IP address to listen on (default: 127.0.0.1, which only this machine reaches)')
    .option('--allow-network', 'really listen on an address that other machines reach')
    .action(async (own: { port?: number; host?: string; allowNetwork?: true }, command: Command) => {
      const options = globalOptions(command);
      if (own.host !== undefined) requireKnownRisk(own.host, own.allowNetwork === true);
      const { serve } = await import('../../serve/index.ts');
      await serve({
        dataDir: options.dataDir,
        log: note,
        ...(own.port === undefined ? {} : { port: own.port }),
        ...(options.queue === undefined ? {} : { queue: options.queue }),
        ...(own.host === undefined ? {} : { address: own.host }),
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

/** Another address than this machine's own is listened on only by who has read what that means. */
function requireKnownRisk(host: string, isAllowed: boolean): void {
  if (isIP(host) === 0) throw new LatheError('bad-input', `--host ${host}: expected an IP address of this machine, such as 192.168.1.5`);
  if (isAllowed || host === '::1' || host.startsWith('127.')) return;
  throw new LatheError(
    'bad-input',
    `--host ${host}: whoever can reach this address and learns its token can start searches and read files as you, and nothing on the way is ` +
      'encrypted, the token neither; better forward the port (ssh -L 4173:127.0.0.1:4173 USER@THIS-MACHINE), or add --allow-network if you trust the network',
  );
}
