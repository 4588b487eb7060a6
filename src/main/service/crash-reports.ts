/**
 * Crash reports: DATA-DIR/crash-reports/TIME-WHAT.json, written when a process dies. They stay on this machine; only the user
 * sends one on. No file content, no data set and no weights are in them: versions, what ended and how, and the run's last lines.
 */
import { mkdir, open, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { crashedSchema, crashIdSchema, type Crashed, type CrashInfo } from '../../shared/crash.ts';
import { LatheError } from '../../shared/errors.ts';
import { latheVersion } from '../engine/build.ts';

const keptReports = 20;
/** A report has some kilobytes; what lies there may have been put there by anybody. */
const largestReportBytes = 1_000_000;

const reportSchema = z.object({
  at: z.iso.datetime(),
  what: crashedSchema,
  how: z.string().max(10_000),
  run: z.string().max(200).optional(),
  machine: z.object({ lathe: z.string().max(200) }),
});

export interface Crash {
  readonly what: Crashed;
  readonly how: string; // signal, exit code or reason
  readonly run?: string;
  readonly log?: readonly string[]; // the last lines of the run's log
}

/** Writes a report and returns its path, or null where it cannot be written: a crash is told all the same. */
export async function writeCrashReport(dataDir: string, crash: Crash, atMs = Date.now()): Promise<string | null> {
  const folder = folderOf(dataDir);
  const path = join(folder, `${new Date(atMs).toISOString().replaceAll(/[:.]/g, '-')}-${crash.what}.json`);
  const machine = {
    lathe: latheVersion,
    node: process.versions.node,
    electron: (process.versions as Readonly<Record<string, string | undefined>>)['electron'] ?? null,
    os: `${os.platform()} ${os.release()} ${os.arch()}`,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    memoryBytes: os.totalmem(),
    freeBytes: os.freemem(),
  };
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(path, `${JSON.stringify({ at: new Date(atMs).toISOString(), ...crash, machine }, null, 1)}\n`, { mode: 0o600 });
    const old = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
    for (const name of old.slice(0, -keptReports)) await rm(join(folder, name), { force: true });
    return path;
  } catch {
    return null;
  }
}

function folderOf(dataDir: string): string {
  return join(dataDir, 'crash-reports');
}

/** The newest first. A file that is no report is none of them. */
export async function listCrashReports(dataDir: string): Promise<CrashInfo[]> {
  const names = await readdir(folderOf(dataDir)).catch(() => []); // no folder yet: nothing crashed
  const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
  const known = ids.filter((id) => crashIdSchema.safeParse(id).success);
  const reports = await Promise.all(known.map(async (id) => await readReport(dataDir, id).catch(() => null)));
  return reports.flatMap((report) => report?.info ?? []).sort((a, b) => b.atMs - a.atMs);
}

/** The whole report as it would be sent. Throws LatheError not-found or corrupt. */
export async function showCrashReport(dataDir: string, id: string): Promise<{ readonly fileName: string; readonly text: string }> {
  const { text } = await readReport(dataDir, id);
  return { fileName: `lathe-crash-${id}.json`, text };
}

/** Throws LatheError not-found. */
export async function removeCrashReport(dataDir: string, id: string): Promise<{ readonly id: string }> {
  await readReport(dataDir, id);
  await rm(join(folderOf(dataDir), `${id}.json`), { force: true });
  return { id };
}

async function readReport(dataDir: string, id: string): Promise<{ readonly info: CrashInfo; readonly text: string }> {
  const path = join(folderOf(dataDir), `${crashIdSchema.parse(id)}.json`);
  const text = await readText(path, id);
  const parsed = reportSchema.safeParse(jsonOrNull(text));
  if (!parsed.success) throw new LatheError('corrupt', `crash report ${id} is not one that Lathe wrote; delete ${path}`);
  const { at, what, how, run = null, machine } = parsed.data;
  return { info: { id, path, atMs: Date.parse(at), what, how, run, lathe: machine.lathe }, text };
}

async function readText(path: string, id: string): Promise<string> {
  const file = await open(path, 'r').catch(() => {
    throw new LatheError('not-found', `there is no crash report ${id}; "lathe crash list" names those that there are`);
  });
  try {
    const { size } = await file.stat();
    if (size > largestReportBytes) throw new LatheError('corrupt', `crash report ${id} has ${size} bytes, more than any that Lathe writes`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
