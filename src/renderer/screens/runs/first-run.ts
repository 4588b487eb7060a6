/** The first useful search, chosen from what this machine has: small enough to end within minutes. */
import type { DatasetInfo } from '../../../shared/dataset.ts';
import type { NetworkSummary } from '../../../shared/network.ts';
import type { TargetInfo } from '../../../shared/target.ts';
import type { RunRequest } from '../../../shared/run.ts';

export interface FirstRun {
  readonly request: RunRequest;
  readonly network: NetworkSummary;
  readonly dataset: DatasetInfo;
  readonly target: TargetInfo;
  readonly width: number;
  readonly epochs: number;
  readonly trials: number;
  readonly budgetFraction: number;
}

/** Fashion-MNIST where it is available, else the generated set, else any; null when something is missing. */
export function firstRun(
  networks: readonly NetworkSummary[],
  targets: readonly TargetInfo[],
  datasets: readonly DatasetInfo[],
): FirstRun | null {
  const available = datasets.filter((dataset) => dataset.available);
  const dataset = available.find((d) => d.kind === 'fashion-mnist') ?? available.find((d) => d.kind === 'generated') ?? available[0];
  const network = networks.find((n) => n.id === 'mobilenet-v1') ?? networks[0];
  const target = targets[0];
  if (!dataset || !network || !target) return null;
  const [width, trials, budgetFraction] = [0.25, 120, 0.5];
  const epochs = dataset.train < 20_000 ? 8 : 2; // a small set needs more passes to learn anything worth quantizing
  // A small data set gives at most a fifth of its training images to validation.
  const validationImages = Math.min(5000, Math.max(1, Math.floor(dataset.train / 5)));
  const calibrationImages = Math.min(512, dataset.train - validationImages);
  const steps = epochs * Math.floor((dataset.train - validationImages) / 64);
  return {
    network,
    dataset,
    target,
    width,
    epochs,
    trials,
    budgetFraction,
    request: {
      method: 'quantize',
      network: { id: network.id, width },
      dataset: dataset.id,
      target: target.target.id,
      budgets: [{ resource: 'latency', kind: 'fraction', value: budgetFraction }],
      training: { epochs, warmupSteps: Math.min(200, Math.floor(steps / 10)) },
      search: {
        trials,
        validationImages,
        rewardImages: Math.min(1000, validationImages),
        calibrationImages,
        statisticsImages: Math.min(256, calibrationImages),
      },
    },
  };
}
