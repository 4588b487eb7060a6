/** Commands that keep the data folder whole: backup, restore, repair, check, gc. */
import type { Command } from 'commander';
import type { BackupInfo } from '../../../shared/backup.ts';
import { bytes, count, dateTime } from '../../../shared/format.ts';
import { describeRecovery, doUpkeep } from '../../store/upkeep.ts';
import { globalOptions, withService } from '../context.ts';
import { printJson, printLine, printTable } from '../output.ts';

export function addBackupCommands(program: Command): void {
  const backup = program
    .command('backup')
    .description('copy the data folder (runs, checkpoints, weights, own targets) while Lathe may be at work')
    .option('--out <dir>', 'folder to make the backup in, such as one on another disk (default: backups in the data folder)')
    .action(async (own: { out?: string }, command: Command) => {
      const options = globalOptions(command);
      const info = await withService(options, (service) => service.call('backup.make', own.out === undefined ? {} : { folder: own.out }));
      if (options.json) printJson(info);
      else {
        printLine(`${info.path}: database of ${bytes(info.databaseBytes)}, ${count(info.blobs)} blobs of ${bytes(info.blobBytes)}`);
        if (info.missing > 0)
          printLine(`${count(info.missing)} blobs are missing or damaged in the data folder and so not in the backup: run "lathe check"`);
      }
    });
  backup
    .command('list')
    .description('the backups in the data folder, and what became of damaged databases')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const listed = await withService(options, (service) => service.call('backup.list', {}));
      if (options.json) {
        printJson(listed);
        return;
      }
      printTable(
        ['made', 'why', 'database', 'blobs', 'size', 'path'],
        listed.backups.map((one: BackupInfo) => [
          dateTime(one.createdAtMs),
          one.kind,
          bytes(one.databaseBytes),
          count(one.blobs),
          bytes(one.blobBytes),
          one.path,
        ]),
        [2, 3, 4],
      );
      for (const recovery of listed.recoveries) printLine(`${dateTime(recovery.atMs)}: ${describeRecovery(recovery)}`);
    });
  addRecoveryCommands(program);
  addCareCommands(program);
}

/** These work on a database that nobody has open: they start no service. */
function addRecoveryCommands(program: Command): void {
  program
    .command('restore <backup>')
    .description('put a backup in the place of the database; that is renamed, not deleted')
    .action(async (path: string, _own, command: Command) => {
      const options = globalOptions(command);
      const recovery = await doUpkeep(options.dataDir, { kind: 'restore', path });
      if (options.json) printJson(recovery);
      else printLine(`Done: ${describeRecovery(recovery)}`);
    });
  program
    .command('repair')
    .description('set a damaged database aside, put the newest whole backup in its place, and take over what can still be read')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const recovery = await doUpkeep(options.dataDir, { kind: 'repair' });
      if (options.json) printJson(recovery);
      else printLine(recovery ? `Done: ${describeRecovery(recovery)}` : 'The database is whole; nothing was changed.');
    });
}

function addCareCommands(program: Command): void {
  program
    .command('check')
    .description('read all of the database and of every blob, and say what is not whole')
    .action(async (_own, command: Command) => {
      const options = globalOptions(command);
      const report = await withService(options, (service) => service.call('backup.check', {}));
      if (options.json) printJson(report);
      else {
        for (const finding of report.findings) printLine(finding);
        const orphans =
          report.orphans === 0
            ? ''
            : `; nothing needs ${count(report.orphans)} others (${bytes(report.orphanBytes)}): "lathe gc" deletes them`;
        printLine(
          `${report.findings.length === 0 ? 'All is whole' : `${count(report.findings.length)} findings`}: ${count(report.blobs)} blobs, ${bytes(report.blobBytes)}${orphans}`,
        );
      }
      if (report.findings.length > 0) process.exitCode = 1;
    });
  program
    .command('gc')
    .description('delete blobs that nothing refers to any more')
    .option('--dry-run', 'only say what would be deleted')
    .action(async (own: { dryRun?: true }, command: Command) => {
      const options = globalOptions(command);
      const report = await withService(options, (service) => service.call('backup.sweep', { dryRun: own.dryRun === true }));
      if (options.json) printJson(report);
      else {
        const what = `${count(report.blobs)} blobs that nothing refers to (${bytes(report.bytes)})`;
        printLine(
          `${report.dryRun ? 'Would delete' : 'Deleted'} ${what}; kept ${count(report.kept)}. Blobs of the last hour are always kept.`,
        );
      }
    });
}
