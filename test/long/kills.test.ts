/**
 * 200 kills with SIGKILL of a whole Lathe, at random moments and at named points, over every search, training, the building of a
 * table, imports and backups. After each: the database is whole, and what was acknowledged is there. In the end: the result of
 * the work that was never killed, bit for bit. LATHE_KILLS: how many; LATHE_KILL_JOBS: of what, with commas.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { smallClassifier } from '../../src/main/network/onnx/test-kit.ts';
import { blobFindings, openBackup } from '../../src/main/store/backup/list.ts';
import { engineKilledCode, jobNames, resultOf, type JobName } from '../crash/jobs.ts';
import { makeDataDir, openService, removeDataDir } from '../support/service.ts';

const child = fileURLToPath(new URL('../crash/job-child.ts', import.meta.url));
const chosen = (process.env['LATHE_KILL_JOBS'] ?? jobNames.join(',')).split(',') as JobName[];
const total = Number(process.env['LATHE_KILLS'] ?? 200);
const killsEach = Math.ceil(total / chosen.length);
const points = ['before-commit', 'after-commit', 'before-rename', 'after-rename', 'before-backup', 'after-backup'];

interface Ended {
  readonly killed: boolean;
  readonly acknowledged: readonly string[];
}

/** Works until the job is done or it is killed: so long after it is ready, or by itself at a failpoint. */
async function workUntil(dataDir: string, job: JobName, file: string, end: { afterMs?: number; failpoint?: string }): Promise<Ended> {
  const env = { ...process.env, ...(end.failpoint === undefined ? {} : { LATHE_FAILPOINT: end.failpoint }) };
  const process_ = spawn(process.execPath, [child, dataDir, job, file], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  let timer: NodeJS.Timeout | undefined;
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    if (end.afterMs !== undefined) timer ??= setTimeout(() => process_.kill('SIGKILL'), end.afterMs);
  });
  process_.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  const [code, signal] = (await once(process_, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  const killed = signal === 'SIGKILL' || code === engineKilledCode;
  if (!killed && code !== 0) throw new Error(`${job} ended by itself with code ${String(code)}: ${complaints}`);
  const acknowledged = output
    .split('\n')
    .slice(0, -1)
    .filter((line) => line !== 'ready' && line !== 'done');
  return { killed, acknowledged };
}

/** As it is before anybody opens it to go on. */
async function expectWhole(dataDir: string, job: JobName, acknowledged: readonly string[]): Promise<void> {
  const db = new Database(join(dataDir, 'lathe.sqlite'));
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.pragma('foreign_key_check')).toEqual([]);
    const ids = new Set(db.prepare<[], string>('SELECT id FROM network UNION SELECT id FROM latency_table').pluck().all());
    const steps = new Set(db.prepare<[], string>('SELECT CAST(step AS TEXT) FROM trial').pluck().all());
    for (const what of acknowledged) {
      if (job === 'backup') expect(await blobFindings(await openBackup(what))).toEqual([]);
      else if (job === 'import') expect(ids).toContain(what);
      else if (job === 'table') expect(ids).toContain('bismo-edge');
      else expect(steps).toContain(what);
    }
  } finally {
    db.close();
  }
}

async function resultIn(dataDir: string, job: JobName): Promise<unknown> {
  const { service } = await openService(dataDir);
  try {
    return await resultOf(service, job, dataDir);
  } finally {
    await service.close();
  }
}

it.each(chosen)(
  '%s',
  async (job) => {
    const random = Random.fromSeed(200 + jobNames.indexOf(job));
    const folders = [await makeDataDir()];
    const [calm = ''] = folders;
    const file = join(calm, 'net.onnx');
    writeFileSync(file, smallClassifier());
    const startMs = performance.now();
    await workUntil(calm, job, file, {});
    const wholeMs = performance.now() - startMs;
    const reference = await resultIn(calm, job);

    let kills = 0;
    let inTheMiddle = 0;
    let dataDir = '';
    const finish = async (): Promise<void> => {
      while ((await workUntil(dataDir, job, file, {})).killed);
      expect(await resultIn(dataDir, job)).toEqual(reference);
    };
    while (kills < killsEach) {
      if (dataDir === '') folders.push((dataDir = await makeDataDir()));
      const point = points[random.uniformInt(0, points.length - 1)] ?? '';
      const named = random.uniform() < 0.3;
      const end = named ? { failpoint: `${point}:${random.uniformInt(1, 12)}` } : { afterMs: wholeMs * 0.3 * random.uniform() };
      const { killed, acknowledged } = await workUntil(dataDir, job, file, end);
      if (killed) {
        kills += 1;
        if (acknowledged.length > 0) inTheMiddle += 1;
        await expectWhole(dataDir, job, acknowledged);
      } else {
        expect(await resultIn(dataDir, job)).toEqual(reference);
        dataDir = ''; // done in spite of all kills: once more from the beginning
      }
    }
    if (dataDir !== '') await finish();
    console.log(`${job}: ${kills} kills, ${inTheMiddle} of them behind something acknowledged, on ${folders.length - 1} data folders`);
    for (const folder of folders) await removeDataDir(folder);
  },
  60 * 60_000,
);
