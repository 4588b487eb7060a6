/** Commands about runs that are kept: stars, tags, notes, archive and trash, the queue, and the same run again. */
import type { Command } from 'commander';
import type { Input } from '../../../shared/contract.ts';
import { LatheError } from '../../../shared/errors.ts';
import { bytes } from '../../../shared/format.ts';
import type { RunSummary } from '../../../shared/run.ts';
import { globalOptions, withService } from '../context.ts';
import { followRun } from '../follow.ts';
import { printJson, printLine, printTable } from '../output.ts';
import { printSolutions, searchResult } from '../results.ts';

type Change = Omit<Input<'run.organize'>, 'ids'>;

/** Adds them to the command `run`. */
export function addKeepingCommands(run: Command): void {
  const organizing = (name: string, description: string, change: Change): void => {
    run
      .command(`${name} <ids...>`)
      .description(description)
      .action(async (ids: string[], _own, command: Command) => organize(command, ids, change));
  };
  organizing('star', 'give runs a star', { star: true });
  organizing('unstar', 'take the star away', { star: false });
  organizing('archive', 'put runs away; run list --place archive shows them', { place: 'archive' });
  organizing('trash', 'put runs into the trash, from where they come back or are deleted', { place: 'trash' });
  organizing('restore', 'bring runs back from archive or trash', { place: 'list' });
  run
    .command('tag <ids...>')
    .description('add tags to runs, or remove some')
    .option('--add <tags>', 'separated by commas', tags)
    .option('--remove <tags>', 'separated by commas', tags)
    .action(async (ids: string[], own: { readonly add?: string[]; readonly remove?: string[] }, command: Command) => {
      if (!own.add && !own.remove) throw new LatheError('bad-input', 'run tag: say which tags, with --add or --remove');
      await organize(command, ids, { ...(own.add ? { addTags: own.add } : {}), ...(own.remove ? { removeTags: own.remove } : {}) });
    });
  run
    .command('note <id> <text>')
    .description('write a note; an empty one removes it')
    .action(async (id: string, text: string, _own, command: Command) => {
      const options = globalOptions(command);
      const summary = await withService(options, (service) => service.call('run.annotate', { id, note: text }));
      if (options.json) printJson(summary);
      else printLine(`${id}: ${text === '' ? 'no note' : text}`);
    });
  run
    .command('purge <ids...>')
    .description('delete runs that lie in the trash for good, with what was kept for them alone')
    .action(async (ids: string[], _own, command: Command) => {
      const options = globalOptions(command);
      const purged = await withService(options, (service) => service.call('run.purge', { ids }));
      if (options.json) printJson(purged);
      else printLine(`${purged.ids.join(', ')}: deleted, ${bytes(purged.freedBytes)} freed`);
    });
  run
    .command('reproduce <id>')
    .description('make the run again from its manifest, as a new run')
    .action(async (id: string, _own, command: Command) => {
      const options = globalOptions(command);
      const detail = await withService(options, (service) => followRun(service, () => service.call('run.reproduce', { id })));
      if (options.json) printJson(searchResult(detail));
      else printSolutions(detail.solutions);
    });
  run
    .command('queue [ids...]')
    .description('the waiting runs in their order; with ids, these come first')
    .action(async (ids: string[], _own, command: Command) => {
      const options = globalOptions(command);
      const waiting = await withService(options, async (service) => {
        if (ids.length > 0) await service.call('run.reorder', { ids });
        return (await service.call('run.list', { filter: 'status = queued' })).sort(byQueue);
      });
      if (options.json) printJson(waiting);
      else
        printTable(
          ['place', 'id', 'name'],
          waiting.map((entry, index) => [String(index + 1), entry.id, entry.name]),
          [0],
        );
    });
}

async function organize(command: Command, ids: readonly string[], change: Change): Promise<void> {
  const options = globalOptions(command);
  const summaries = await withService(options, (service) => service.call('run.organize', { ids: [...ids], ...change }));
  if (options.json) {
    printJson(summaries);
    return;
  }
  printTable(
    ['id', 'place', 'star', 'tags'],
    summaries.map((entry) => [entry.id, entry.place, entry.star ? 'yes' : '', entry.tags.join(' ')]),
  );
}

function tags(text: string): string[] {
  return text.split(',').map((tag) => tag.trim());
}

function byQueue(a: RunSummary, b: RunSummary): number {
  const [left, right] = [a.queueOrder ?? Number.POSITIVE_INFINITY, b.queueOrder ?? Number.POSITIVE_INFINITY];
  return left === right ? a.createdAtMs - b.createdAtMs : left - right;
}
