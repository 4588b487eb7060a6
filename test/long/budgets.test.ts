/** Budgets hold for every policy: 10,000 random ones on every target that comes with Lathe, under budgets at random. */
import { describe, expect, it } from 'vitest';
import type { Budget } from '../../src/shared/policy.ts';
import { Random } from '../../src/shared/random.ts';
import { costTable } from '../../src/main/hardware/cost-table.ts';
import { listTargets } from '../../src/main/hardware/targets.ts';
import { resolveNetwork } from '../../src/main/network/zoo.ts';
import { amountOf, meetsBudgets } from '../../src/shared/budgets.ts';
import { enforceBudgets, lockedLayers, requireFeasible, uniformBits, type BitVector } from '../../src/main/search/quantize/bits.ts';

const policies = 10_000;
const { graph } = resolveNetwork({ id: 'mobilenet-v1', width: 0.25, inputSize: 32 });

describe.each(listTargets().map(({ target }) => target))('on $id', (target) => {
  const table = costTable(graph, target, target.defaultBatch);
  const locked = lockedLayers(table.layers.length, true);
  const least = table.costOf(uniformBits(2, 2, locked));
  const most = table.costOf(uniformBits(8, 8, locked));
  const resources = (['latency', 'energy', 'size'] as const).filter((resource) => amountOf(most, resource) !== null);

  it(`all of ${String(policies)} random policies are brought within one, two or three budgets`, { timeout: 600_000 }, () => {
    const random = Random.fromSeed(20_191);
    for (let round = 0; round < policies; round += 1) {
      const limits: Budget[] = resources
        .filter((_, index) => index === round % resources.length || random.uniform() < 0.5)
        .map((resource) => {
          const low = amountOf(least, resource) ?? 0;
          return { resource, kind: 'absolute', value: low + random.uniform() * ((amountOf(most, resource) ?? 0) - low) };
        });
      const draw = (): number[] => locked.map((isLocked) => (isLocked ? 8 : random.uniformInt(2, 8)));
      const asked: BitVector = { weightBits: draw(), activationBits: draw() };
      const bits = enforceBudgets(asked, 2, locked, limits, table.costOf);
      if (!meetsBudgets(table.costOf(bits), limits)) expect.fail(`policy ${String(round)} is over ${JSON.stringify(limits)}`);
      if (locked.some((isLocked, layer) => isLocked && (bits.weightBits[layer] !== 8 || bits.activationBits[layer] !== 8)))
        expect.fail(`policy ${String(round)} changed a protected layer`);
    }
  });

  it('less than the least possible is refused, with the least possible', () => {
    for (const resource of resources) {
      const limit: Budget = { resource, kind: 'absolute', value: (amountOf(least, resource) ?? 0) * 0.999 };
      expect(() => {
        requireFeasible(least, [limit], 2, most);
      }).toThrow(/no policy can meet .*; the least possible with 2 bits or more is /);
    }
  });
});
