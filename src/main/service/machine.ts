/** The machine: versions that decide results, and what is there or missing, one sentence each. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { DoctorCheck, Output } from '../../shared/contract.ts';
import { toErrorPayload } from '../../shared/errors.ts';
import { count } from '../../shared/format.ts';
import { describeAddon, latheVersion, type AddonInfo } from '../engine/build.ts';
import type { EngineRequests } from '../engine/host.ts';
import type { Store } from '../store/types.ts';
import type { Backups } from './backups.ts';
import type { Datasets } from './datasets.ts';
import type { Targets } from './targets.ts';

const run = promisify(execFile);

/** Least versions that Lathe runs on; package.json and native/CMakeLists.txt say the same. */
const leastNode = [22, 12] as const;
const leastCmake = [3, 20] as const;

export interface MachineParts {
  readonly requests: EngineRequests;
  readonly store: Store;
  readonly datasets: Datasets;
  readonly targets: Targets;
  readonly backups: Backups;
}

export class Machine {
  private readonly requests: EngineRequests;
  private readonly store: Store;
  private readonly datasets: Datasets;
  private readonly targets: Targets;
  private readonly backups: Backups;
  private addon: Promise<AddonInfo> | null = null;

  constructor({ requests, store, datasets, targets, backups }: MachineParts) {
    this.requests = requests;
    this.store = store;
    this.datasets = datasets;
    this.targets = targets;
    this.backups = backups;
  }

  /** Versions of all that decides a result, and the physical cores. */
  async describe(): Promise<{ versions: Record<string, string>; cores: number }> {
    const addon = await this.addonInfo();
    return {
      cores: addon.cores,
      versions: {
        lathe: latheVersion,
        addon: addon.version,
        simd: addon.simd,
        compiler: addon.compiler,
        node: process.versions.node,
        os: `${os.platform()} ${os.release()} ${os.arch()}`,
        cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
      },
    };
  }

  async doctor(): Promise<Output<'system.doctor'>> {
    const checks = [
      nodeCheck(),
      await toolCheck(
        'cmake',
        ['--version'],
        leastCmake,
        'Lathe needs cmake 3.20 or newer to build its compute addon (Debian: apt-get install cmake)',
      ),
      await compilerCheck(),
      ...(await this.addonChecks()),
      { name: 'SQLite', status: 'ok' as const, value: `${this.store.sqliteVersion}, ${this.store.path}`, advice: null },
      ...(await this.backups.doctorChecks()),
      electronCheck(),
      displayCheck(),
      ...(await this.datasetChecks()),
      ...this.targetChecks(),
    ];
    // Tools that build the addon are needed only where it is not built yet.
    const required = checks.filter((check) => check.status === 'missing');
    return { ok: required.length === 0, checks };
  }

  addonInfo(): Promise<AddonInfo> {
    this.addon ??= describeAddon(this.requests);
    this.addon.catch(() => {
      this.addon = null; // asked again next time: it may have been built meanwhile
    });
    return this.addon;
  }

  private async addonChecks(): Promise<DoctorCheck[]> {
    try {
      const info = await this.addonInfo();
      return [
        { name: 'addon', status: 'ok', value: `${info.version}, built by ${info.compiler}`, advice: null },
        { name: 'SIMD level', status: 'ok', value: `${info.simd} (runnable here: ${info.simdLevels.join(', ')})`, advice: null },
        { name: 'cores', status: 'ok', value: String(info.cores), advice: null },
      ];
    } catch (error) {
      return [{ name: 'addon', status: 'missing', value: 'not built', advice: toErrorPayload(error).message }];
    }
  }

  private async datasetChecks(): Promise<DoctorCheck[]> {
    const datasets = await this.datasets.list();
    return datasets.map((dataset) => ({
      name: `data set ${dataset.id}`,
      status: dataset.available ? 'ok' : 'warning',
      value: dataset.available ? `${count(dataset.train)} training and ${count(dataset.test)} test images` : 'not added yet',
      advice: dataset.available ? null : dataset.hint,
    }));
  }

  private targetChecks(): DoctorCheck[] {
    return this.targets.problems().map((problem) => ({
      name: 'own target',
      status: 'warning',
      value: problem,
      advice: 'correct the file or remove it; until then there is no such target',
    }));
  }
}

function nodeCheck(): DoctorCheck {
  const fits = atLeast(process.versions.node, leastNode);
  return {
    name: 'Node.js',
    status: fits ? 'ok' : 'missing',
    value: process.versions.node,
    advice: fits ? null : `Lathe needs Node.js ${leastNode.join('.')} or newer; npm scripts bring it along: start with "npm run -s lathe"`,
  };
}

async function compilerCheck(): Promise<DoctorCheck> {
  for (const compiler of [process.env['CXX'], 'c++', 'g++', 'clang++'].filter((name) => name !== undefined)) {
    const version = await versionOf(compiler, ['--version']);
    if (version !== null) return { name: 'C++ compiler', status: 'ok', value: version, advice: null };
  }
  return {
    name: 'C++ compiler',
    status: 'warning',
    value: 'not found',
    advice: 'Lathe needs a C++20 compiler to build its compute addon (Debian: apt-get install g++)',
  };
}

async function toolCheck(tool: string, args: readonly string[], least: readonly [number, number], advice: string): Promise<DoctorCheck> {
  const version = await versionOf(tool, args);
  const fits = version !== null && atLeast(/\d+\.\d+(\.\d+)?/.exec(version)?.[0] ?? '', least);
  return { name: tool, status: fits ? 'ok' : 'warning', value: version ?? 'not found', advice: fits ? null : advice };
}

/** The first line that `tool args` prints; null where there is no such tool. */
async function versionOf(tool: string, args: readonly string[]): Promise<string | null> {
  try {
    const { stdout } = await run(tool, [...args], { timeout: 10_000 });
    return stdout.split('\n')[0]?.trim() ?? '';
  } catch {
    return null; // not installed, or does not run: for the check the same
  }
}

function atLeast(version: string, least: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > least[0] || (major === least[0] && minor >= least[1]);
}

function electronCheck(): DoctorCheck {
  const running = (process.versions as Readonly<Record<string, string | undefined>>)['electron']; // its types say it is always there
  if (running !== undefined) return { name: 'Electron runtime', status: 'ok', value: running, advice: null };
  const advice = 'without it "npm start" serves the same application to a browser; with internet, "npx install-electron" brings it';
  try {
    const folder = dirname(createRequire(import.meta.url).resolve('electron/package.json'));
    if (existsSync(join(folder, 'path.txt'))) return { name: 'Electron runtime', status: 'ok', value: join(folder, 'dist'), advice: null };
  } catch {
    // the package itself is not installed: the same advice
  }
  return { name: 'Electron runtime', status: 'warning', value: 'not here', advice };
}

function displayCheck(): DoctorCheck {
  const display = process.platform === 'linux' ? (process.env['WAYLAND_DISPLAY'] ?? process.env['DISPLAY']) : process.platform;
  return display === undefined
    ? { name: 'display', status: 'warning', value: 'none', advice: 'without one "npm start" serves the application to a browser' }
    : { name: 'display', status: 'ok', value: display, advice: null };
}
