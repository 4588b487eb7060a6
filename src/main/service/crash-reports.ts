/**
 * Crash reports: DATA-DIR/crash-reports/TIME-WHAT.json, written when a process dies. They stay on this machine; only the user
 * sends one on. No file content, no data set and no weights are in them: versions, what ended and how, and the run's last lines.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { latheVersion } from '../engine/build.ts';

const keptReports = 20;

export interface Crash {
  readonly what: 'engine' | 'window' | 'helper'; // which process
  readonly how: string; // signal, exit code or reason
  readonly run?: string;
  readonly log?: readonly string[]; // the last lines of the run's log
}

/** Writes a report and returns its path, or null where it cannot be written: a crash is told all the same. */
export async function writeCrashReport(dataDir: string, crash: Crash, atMs = Date.now()): Promise<string | null> {
  const folder = join(dataDir, 'crash-reports');
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
