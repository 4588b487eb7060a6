/** The processor's own energy counters (RAPL), where the machine has them and they may be read. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const folder = '/sys/class/powercap';

interface Counter {
  readonly path: string;
  readonly rangeUj: number; // at which it begins again
}

/** Readings of all processor packages, in microjoules; null: this machine has no counter, or it may not be read. */
export class EnergyMeter {
  readonly #counters: readonly Counter[];

  private constructor(counters: readonly Counter[]) {
    this.#counters = counters;
  }

  static async open(root = folder): Promise<EnergyMeter | null> {
    try {
      const names = (await readdir(root)).filter((name) => /^intel-rapl:\d+$/.test(name));
      const counters = await Promise.all(
        names.map(async (name) => {
          const path = join(root, name, 'energy_uj');
          await readNumber(path);
          return { path, rangeUj: await readNumber(join(root, name, 'max_energy_range_uj')) };
        }),
      );
      return counters.length === 0 ? null : new EnergyMeter(counters);
    } catch {
      return null; // not there, or for the superuser alone: the energy is unknown, and said to be
    }
  }

  async read(): Promise<readonly number[]> {
    return await Promise.all(this.#counters.map(({ path }) => readNumber(path)));
  }

  /** Millijoules between two readings, less than one turn of the counters apart. */
  between(before: readonly number[], after: readonly number[]): number {
    const parts = this.#counters.map(({ rangeUj }, index) => {
      const difference = (after[index] ?? 0) - (before[index] ?? 0);
      return difference < 0 ? difference + rangeUj : difference;
    });
    return parts.reduce((sum, part) => sum + part, 0) / 1000;
  }
}

async function readNumber(path: string): Promise<number> {
  const value = Number((await readFile(path, 'utf8')).trim());
  if (!Number.isFinite(value)) throw new Error(`${path} holds no number`);
  return value;
}
