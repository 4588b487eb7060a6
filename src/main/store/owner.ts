/**
 * Who a process is, beyond its number: numbers are used again, so a run's owner is number, start time and boot together.
 * A run whose owner is gone was interrupted; no heartbeat is needed, and a suspended machine does not look like a dead one.
 *
 * Linux: /proc. macOS: ps and sysctl. Windows: PowerShell; its start times are absolute and count 100 ns, so that number and
 * start time tell processes of different boots apart, and the boot is the constant 'windows'.
 * The answer holds for processes of this machine that see the same process numbers (not across containers).
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { LatheError } from '../../shared/errors.ts';
import type { Owner } from './types.ts';

/** How a system is asked. Replaced in tests. */
export interface ProcessProbe {
  bootId(): Promise<string>;
  /** Null when no living process has this number. */
  startedAt(pid: number): Promise<string | null>;
}

/** This process. Throws `unavailable` where the system does not tell. */
export async function currentOwner(probe: ProcessProbe = probeOf(process.platform)): Promise<Owner> {
  const startedAt = await probe.startedAt(process.pid);
  if (startedAt === null) {
    throw new LatheError(
      'unavailable',
      `process ${process.pid}: the system does not tell when it started; is /proc mounted (Linux), or ps there (macOS)?`,
    );
  }
  return { pid: process.pid, startedAt, bootId: await probe.bootId() };
}

/** Whether that very process still runs: not another one with its number, and not one that has ended and waits for its parent. */
export async function isOwnerAlive(owner: Owner, probe: ProcessProbe = probeOf(process.platform)): Promise<boolean> {
  if (owner.bootId !== (await probe.bootId())) return false;
  return (await probe.startedAt(owner.pid)) === owner.startedAt;
}

function probeOf(platform: NodeJS.Platform): ProcessProbe {
  switch (platform) {
    case 'darwin':
      return macProbe(runProgram);
    case 'win32':
      return windowsProbe(runProgram);
    default:
      return linuxProbe(readText);
  }
}

/** A program's output, or null when it exits with an error code. */
export type RunProgram = (program: string, args: readonly string[]) => Promise<string | null>;
/** A file's text, or null when there is none. */
export type ReadText = (path: string) => Promise<string | null>;

export function linuxProbe(read: ReadText): ProcessProbe {
  return {
    async bootId() {
      const text = await read('/proc/sys/kernel/random/boot_id');
      if (text === null)
        throw new LatheError(
          'unavailable',
          '/proc/sys/kernel/random/boot_id is missing: Lathe needs /proc to tell which process owns a run',
        );
      return text.trim();
    },
    async startedAt(pid) {
      const text = await read(`/proc/${pid}/stat`);
      return text === null ? null : startTimeOfStat(text);
    },
  };
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot (proc(5)); null for a zombie. The name, field 2, may hold anything. */
function startTimeOfStat(text: string): string | null {
  const [state, ...fields] = text.slice(text.lastIndexOf(')') + 2).split(' '); // from field 3 on
  if (state === 'Z' || state === 'X') return null;
  const startTime = fields[18];
  if (startTime === undefined || !/^\d+$/.test(startTime)) {
    throw new LatheError('unavailable', `/proc/PID/stat: expected a number as field 22, found ${startTime ?? 'nothing'}`);
  }
  return startTime;
}

export function macProbe(run: RunProgram): ProcessProbe {
  return {
    async bootId() {
      const text = await run('sysctl', ['-n', 'kern.bootsessionuuid']);
      if (text === null)
        throw new LatheError('unavailable', 'sysctl kern.bootsessionuuid failed: Lathe needs it to tell which process owns a run');
      return text.trim();
    },
    async startedAt(pid) {
      const line = (await run('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]))?.trim();
      if (line === undefined || line === '') return null;
      const [state = '', ...startedAt] = line.split(/\s+/);
      return state.startsWith('Z') ? null : startedAt.join(' ');
    },
  };
}

export function windowsProbe(run: RunProgram): ProcessProbe {
  return {
    bootId: () => Promise.resolve('windows'),
    async startedAt(pid) {
      const command = `(Get-Process -Id ${pid} -ErrorAction Stop).StartTime.ToUniversalTime().Ticks`;
      const text = (await run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', command]))?.trim();
      return text === undefined || text === '' ? null : text;
    },
  };
}

async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    // ESRCH: the process ended between open and read.
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return null;
    throw error;
  }
}

async function runProgram(program: string, args: readonly string[]): Promise<string | null> {
  try {
    // lstart follows language and time zone; two processes of Lathe may have different ones.
    const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' }, windowsHide: true });
    return stdout;
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'number') return null; // it ran, and said no
    throw error;
  }
}
