/** REINFORCE (R. Williams 1992) on alpha, for whatever can be measured of a network alone: no gradient of its cost is needed. */
import type { Random } from '../../../shared/random.ts';
import type { Path } from '../../network/space/space.ts';
import type { ArchitectureParameters } from './probabilities.ts';

export interface ReinforceState {
  readonly baseline: number | null;
}

/** Moves the baseline to the mean of the rewards; the first one starts it. */
const baselineDecay = 0.9;

export class Reinforce {
  private baseline: number | null = null;

  /** Samples networks, reads their rewards, and steps: the mean of (reward - baseline) d(-log p). Returns paths and rewards. */
  async step(
    parameters: ArchitectureParameters,
    samples: number,
    rate: number,
    random: Random,
    rewardOf: (path: Path) => Promise<number>,
  ): Promise<readonly { readonly path: Path; readonly reward: number }[]> {
    const probabilities = parameters.probabilities;
    const tried: { readonly path: Path; readonly reward: number }[] = [];
    for (let i = 0; i < samples; i++) {
      const path = parameters.sample(random);
      tried.push({ path, reward: await rewardOf(path) });
    }
    const mean = tried.reduce((sum, { reward }) => sum + reward, 0) / samples;
    const baseline = this.baseline ?? mean;
    const gradients = probabilities.map((p, block) =>
      p.map((probability, i) =>
        tried.reduce((sum, { path, reward }) => sum + ((reward - baseline) * (probability - (path[block] === i ? 1 : 0))) / samples, 0),
      ),
    );
    parameters.step(gradients, rate);
    this.baseline = baselineDecay * baseline + (1 - baselineDecay) * mean;
    return tried;
  }

  save(): ReinforceState {
    return { baseline: this.baseline };
  }

  restore(state: ReinforceState): void {
    this.baseline = state.baseline;
  }
}
