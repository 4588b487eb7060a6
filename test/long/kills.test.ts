/**
 * 200 kills with SIGKILL of a whole Lathe, at random moments and at named points, over every search, a pipeline, training, the
 * building of a table, imports and backups. After each: the database is whole, and what was acknowledged is there. In the end: the
 * result of the work that was never killed, bit for bit. LATHE_KILLS: how many; LATHE_KILL_JOBS: of what, with commas.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../src/shared/random.ts';
import { blobFindings, openBackup } from '../../src/main/store/backup/list.ts';
import type { Failpoint } from '../../src/main/store/failpoint.ts';
import { engineKilledCode, jobNames, resultOf, writeImported, type JobName } from '../crash/jobs.ts';
import { makeDataDir, openService, removeDataDir } from '../support/service.ts';

const child = fileURLToPath(new URL('../crash/job-child.ts', import.meta.url));
const chosen = (process.env['LATHE_KILL_JOBS'] ?? jobNames.join(',')).split(',') as JobName[];
const total = Number(process.env['LATHE_KILLS'] ?? 200);
const killsEach = Math.ceil(total / chosen.length);
/** Of all kills: at a named point, and at a random moment before anything is acknowledged. The others come behind the first acknowledgement. */
const [shareNamed, shareEarly] = [0.3, 0.1];

let home = '';
beforeAll(async () => {
  home = await makeDataDir();
  await writeImported(home);
});
afterAll(async () => {
  await removeDataDir(home);
});

/** When a process is killed: so long after a line, or by itself at a failpoint. */
type End = { readonly after: 'ready' | 'acknowledged'; readonly ms: number } | { readonly failpoint: string } | null;

interface Ended {
  readonly killed: boolean;
  readonly acknowledged: readonly string[];
  readonly readyMs: number; // from the start of the process
  readonly spanMs: number; // from its first acknowledgement to its end
}

/** Works until the job is done or it is killed. */
async function workUntil(dataDir: string, job: JobName, end: End): Promise<Ended> {
  const startMs = performance.now();
  // Most of a start is the reading of sources, which the cache spares.
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: join(home, 'compiled'),
    ...(end && 'failpoint' in end ? { LATHE_FAILPOINT: end.failpoint } : {}),
  };
  const process_ = spawn(process.execPath, [child, dataDir, job, home], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let complaints = '';
  let timer: NodeJS.Timeout | undefined;
  let [readyMs, firstMs] = [NaN, NaN];
  process_.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    const lines = output.split('\n').length - 1;
    if (Number.isNaN(readyMs)) readyMs = performance.now() - startMs;
    if (lines > 1 && Number.isNaN(firstMs)) firstMs = performance.now() - startMs;
    if (end && 'ms' in end && (end.after === 'ready' || lines > 1)) timer ??= setTimeout(() => process_.kill('SIGKILL'), end.ms);
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
  return { killed, acknowledged, readyMs, spanMs: performance.now() - startMs - firstMs };
}

/** As it is before anybody opens it to go on. */
async function expectWhole(dataDir: string, acknowledged: readonly string[]): Promise<void> {
  const db = new Database(join(dataDir, 'lathe.sqlite'));
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(db.pragma('foreign_key_check')).toEqual([]);
    const count = (from: string, ...values: unknown[]): number =>
      db
        .prepare<unknown[], number>(`SELECT count(*) FROM ${from}`)
        .pluck()
        .get(...values) ?? 0;
    const ofRun = 'run IN (SELECT key FROM run WHERE id = ?) AND step = ?';
    for (const line of acknowledged) {
      const [kind = '', what = '', step = '', ...series] = line.split(' ');
      if (kind === 'backup') expect(await blobFindings(await openBackup(what))).toEqual([]);
      else if (kind === 'entries') expect(count('latency_entry'), line).toBeGreaterThanOrEqual(Number(what));
      else if (kind === 'network' || kind === 'dataset') expect(count(`${kind} WHERE id = ?`, what), line).toBe(1);
      else if (kind === 'trial') expect(count(`trial WHERE ${ofRun}`, what, Number(step)), line).toBe(1);
      else if (kind === 'metric') expect(count(`metric WHERE ${ofRun} AND series = ?`, what, Number(step), series.join(' ')), line).toBe(1);
      else throw new Error(`an acknowledgement that this test does not know: ${line}`);
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

/** The named points that a job passes, each with how often. */
function pointsOf(job: JobName, calm: Ended, dataDir: string): readonly (readonly [Failpoint, number])[] {
  const folder = join(dataDir, 'blobs'); // a table has none
  const names = existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];
  const blobs = names.filter((name) => /[0-9a-f]{64}$/.test(name)).length;
  const passed: [Failpoint, number][] = [
    ['before-commit', calm.acknowledged.length],
    ['after-commit', calm.acknowledged.length],
    ['before-temporary', blobs],
    ['before-rename', blobs],
    ['after-rename', blobs],
  ];
  if (job === 'backup') passed.push(['before-backup', calm.acknowledged.length], ['after-backup', calm.acknowledged.length]);
  return passed.filter(([, times]) => times > 0);
}

it.each(chosen)(
  '%s',
  async (job) => {
    const random = Random.fromSeed(200 + jobNames.indexOf(job));
    const calmDir = await makeDataDir();
    const calm = await workUntil(calmDir, job, null);
    expect(calm.acknowledged.length).toBeGreaterThan(0);
    const reference = await resultIn(calmDir, job);
    const points = pointsOf(job, calm, calmDir);

    const kinds = { named: 0, early: 0, later: 0 };
    const nextEnd = (): End => {
      const kind = random.uniform();
      const [point, times] = points[random.uniformInt(0, points.length - 1)] ?? ['before-commit', 1];
      if (kind < shareNamed && kinds.named < shareNamed * killsEach)
        return { failpoint: `${point}:${random.uniformInt(1, Math.ceil(0.6 * times))}` };
      if (kind >= shareNamed && kind < shareNamed + shareEarly && kinds.early < shareEarly * killsEach)
        return { after: 'ready', ms: 1000 * random.uniform() };
      return { after: 'acknowledged', ms: calm.spanMs * 0.4 * random.uniform() };
    };

    let kills = 0;
    let behind = 0;
    let acknowledgedInAll = 0;
    let folders = 0;
    let dataDir = '';
    /** Ends a data folder: its work is done, and must be what the uninterrupted work made. */
    const finish = async (): Promise<void> => {
      expect(await resultIn(dataDir, job)).toEqual(reference);
      await removeDataDir(dataDir);
      dataDir = '';
    };
    while (kills < killsEach) {
      if (dataDir === '') {
        dataDir = await makeDataDir();
        folders += 1;
      }
      const end = nextEnd();
      const { killed, acknowledged } = await workUntil(dataDir, job, end);
      await expectWhole(dataDir, acknowledged);
      if (!killed) {
        await finish(); // done in spite of all kills: once more from the beginning
        continue;
      }
      kills += 1;
      if (acknowledged.length > 0) behind += 1;
      acknowledgedInAll += acknowledged.length;
      if (end && 'failpoint' in end) kinds.named += 1;
      else kinds[end?.after === 'ready' ? 'early' : 'later'] += 1;
    }
    if (dataDir !== '') {
      while ((await workUntil(dataDir, job, null)).killed);
      await finish();
    }
    console.log(
      `${job}: ${kills} kills (${kinds.named} at named points, ${kinds.early} soon after the start, ${kinds.later} later), ` +
        `${behind} of them behind something acknowledged (${acknowledgedInAll} acknowledgements held against the database), ` +
        `${folders} data folders, each with the result of the uninterrupted work (${calm.acknowledged.length} acknowledgements in ${(calm.spanMs / 1000).toFixed(1)} s)`,
    );
    if (kills >= 20) expect(behind / kills).toBeGreaterThan(0.5); // or this test shows little
    await removeDataDir(calmDir);
  },
  60 * 60_000,
);
