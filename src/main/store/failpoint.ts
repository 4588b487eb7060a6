/**
 * Named places at which a crash test may end the process: `LATHE_FAILPOINT=before-commit` kills it the first time it gets
 * there, `LATHE_FAILPOINT=before-commit:5` the fifth time. Without the variable a failpoint does nothing.
 *
 * before-commit, after-commit: of every write transaction of the store.
 * before-temporary, before-rename, after-rename: of every blob; its bytes are on disk under another name before the renaming.
 * before-backup, after-backup: around the moment at which a backup gets its name.
 * aside, before-place, after-place: of a recovery, behind the old database's renaming, before and behind the new one's.
 */
export type Failpoint =
  | 'before-commit'
  | 'after-commit'
  | 'before-temporary'
  | 'before-rename'
  | 'after-rename'
  | 'before-backup'
  | 'after-backup'
  | 'aside'
  | 'before-place'
  | 'after-place';

let timesReached = 0;

export function failpoint(name: Failpoint): void {
  const [wanted, times = '1'] = (process.env['LATHE_FAILPOINT'] ?? '').split(':');
  if (wanted !== name) return;
  timesReached += 1;
  if (timesReached >= Number(times)) process.kill(process.pid, 'SIGKILL');
}
