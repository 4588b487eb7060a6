/** A process for crash tests: `job-child.ts DATA-DIR JOB IMPORTED` opens a whole Lathe, does the job (jobs.ts) and prints what is acknowledged. */
import { writeSync } from 'node:fs';
import { launchNodeEngine } from '../../src/main/engine/launcher.ts';
import { createService } from '../../src/main/service/index.ts';
import { engineKilledCode, work, type JobName } from './jobs.ts';

const [dataDir = '', job = '', imported = ''] = process.argv.slice(2);
const service = await createService({ dataDir, launchEngine: launchNodeEngine, log: () => undefined, adoptQueued: true });
writeSync(1, 'ready\n');
try {
  await work(service, job as JobName, imported, (what) => writeSync(1, `${what}\n`));
} catch (error) {
  // An engine has the failpoint too.
  const isEngine = process.env['LATHE_FAILPOINT'] !== undefined && error instanceof Error && /engine process ended/.test(error.message);
  if (!isEngine) throw error;
  process.exitCode = engineKilledCode;
}
await service.close();
if (process.exitCode === undefined) writeSync(1, 'done\n');
