/**
 * A deliberate fault for tests and for trying out what a crash looks like: `LATHE_FAULT=abort` (as a failed assertion in the
 * addon), `segv` (as a wrong pointer in it) or `throw` (an error that nobody catches) ends an engine that works on a run, once
 * something of that run is stored. Without the variable nothing happens.
 */
export function faultIfAsked(): void {
  const kind = process.env['LATHE_FAULT'];
  if (kind === 'abort') process.abort();
  if (kind === 'segv') process.kill(process.pid, 'SIGSEGV');
  if (kind === 'throw')
    setImmediate(() => {
      throw new Error('a deliberate fault (LATHE_FAULT=throw)');
    });
}
