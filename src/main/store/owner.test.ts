import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { currentOwner, isOwnerAlive, linuxProbe, macProbe, windowsProbe } from './owner.ts';

describe('the owner of a run', () => {
  it('is this process, and alive', async () => {
    const owner = await currentOwner();
    expect(owner.pid).toBe(process.pid);
    expect(await currentOwner()).toEqual(owner);
    expect(await isOwnerAlive(owner)).toBe(true);
  });

  it('is not another process with the same number, nor the same one of another boot', async () => {
    const owner = await currentOwner();
    expect(await isOwnerAlive({ ...owner, startedAt: `${owner.startedAt}1` })).toBe(false);
    if (process.platform !== 'win32') expect(await isOwnerAlive({ ...owner, bootId: 'another' })).toBe(false);
  });

  it.runIf(process.platform === 'linux')('is gone as soon as it was killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000); console.log("up")'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    const pid = child.pid ?? 0;
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const owner = { ...(await currentOwner()), pid, startedAt: stat.split(' ')[21] ?? '' }; // node's name has no blank
    expect(await isOwnerAlive(owner)).toBe(true);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await isOwnerAlive(owner)).toBe(false);
  });
});

describe('on Linux', () => {
  const probe = (stat: string | null) =>
    linuxProbe((path) => Promise.resolve(path === '/proc/7/stat' ? stat : path.endsWith('boot_id') ? 'b-1\n' : null));
  // proc(5): field 22 is 4711; the program calls itself "a) Z 9 (b".
  const fields = (state: string) => `7 (a) Z 9 (b) ${state} 1 7 7 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 4711 1000 50 184467`;

  it('the start time is field 22, whatever the program calls itself', async () => {
    expect(await probe(fields('S')).startedAt(7)).toBe('4711');
    expect(await probe(fields('S')).bootId()).toBe('b-1');
  });

  it('a process that has ended and waits for its parent is gone', async () => {
    expect(await probe(fields('Z')).startedAt(7)).toBeNull();
    expect(await probe(null).startedAt(7)).toBeNull();
  });

  it('a line of another form is refused, not guessed', async () => {
    await expect(probe('7 (x) S 1 2').startedAt(7)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(linuxProbe(() => Promise.resolve(null)).bootId()).rejects.toMatchObject({ code: 'unavailable' });
  });
});

describe('on macOS', () => {
  const probe = (ps: string | null) =>
    macProbe((program, args) => Promise.resolve(program === 'ps' && args.includes('7') ? ps : 'UUID-1\n'));

  it('ps tells state and start, sysctl the boot', async () => {
    expect(await probe('S+   Mon Nov 24 03:38:05 2025    \n').startedAt(7)).toBe('Mon Nov 24 03:38:05 2025');
    expect(await probe('Z    Mon Nov 24 03:38:05 2025\n').startedAt(7)).toBeNull();
    expect(await probe(null).startedAt(7)).toBeNull();
    expect(await probe(null).bootId()).toBe('UUID-1');
  });
});

describe('on Windows', () => {
  it('PowerShell tells the start in ticks of 100 ns', async () => {
    const probe = windowsProbe((_, args) => Promise.resolve(args.join(' ').includes('-Id 7 ') ? '638995486850000000\r\n' : null));
    expect(await probe.startedAt(7)).toBe('638995486850000000');
    expect(await probe.startedAt(8)).toBeNull();
  });
});
