/** Crash reports: list, show, delete. */
import type { Command } from 'commander';
import { dateTime } from '../../../shared/format.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

export function addCrashCommands(program: Command): void {
  const crash = program.command('crash').description('what ended unexpectedly: reports that stay on this machine unless you send them');
  crash
    .command('list')
    .description('the reports, the newest first')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const reports = await withService(options, (service) => service.call('crash.list', {}));
      if (options.json) printJson(reports);
      else if (reports.length === 0) printLine('Nothing has crashed that Lathe knows of.');
      else {
        printTable(
          ['when', 'what', 'how', 'run', 'id'],
          reports.map(({ atMs, what, how, run, id }) => [dateTime(atMs), what, how, run ?? '', id]),
        );
      }
    });
  crash
    .command('show <id>')
    .description('a report as it is kept: what you would send')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const { text } = await withService(options, (service) => service.call('crash.show', { id }));
      printLine(text.trimEnd()); // JSON as it is
    });
  crash
    .command('delete <id>')
    .description('delete a report')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const removed = await withService(options, (service) => service.call('crash.remove', { id }));
      if (options.json) printJson(removed);
      else printLine(`Deleted ${removed.id}`);
    });
}
