/** The demonstration: the main job, end to end, on real data, in a few minutes on two cores. */
import { LatheError } from '../../shared/errors.ts';
import { duration, msUnit, percentUnit } from '../../shared/format.ts';
import { withService, type GlobalOptions } from './context.ts';
import { followRun } from './follow.ts';
import { note, printJson, printLine } from './output.ts';
import { bestBaseline, printPolicy, printSolutions, searchResult } from './results.ts';

/** MobileNet-V1 0.25 on 32 x 32 images, half the latency of its 8-bit form on the BISMO cloud accelerator. */
const demoRequest = {
  method: 'quantize' as const,
  network: { id: 'mobilenet-v1', width: 0.25 },
  dataset: 'fashion-mnist',
  target: 'bismo-cloud',
  budgets: [{ resource: 'latency' as const, kind: 'fraction' as const, value: 0.5 }],
};

/** Enough for the agent to leave the uniform policies behind, and few enough for a few minutes. */
const demoTrials = 400;

export async function runDemo(
  options: GlobalOptions,
  own: { readonly trials?: number; readonly seed?: number; readonly threads?: number },
): Promise<void> {
  const start = Date.now();
  const detail = await withService(options, async (service) => {
    const dataset = await service.call('dataset.show', { id: demoRequest.dataset });
    if (!dataset.available) {
      note('getting Fashion-MNIST (31 MB, once) …');
      await service.call('dataset.add', { kind: 'fashion-mnist' });
    }
    note(
      'MobileNet-V1 0.25 on Fashion-MNIST: train in float32, then search weight and activation bits of each layer for bismo-cloud at half the 8-bit latency.',
    );
    return await followRun(service, () =>
      service.call('run.create', {
        ...demoRequest,
        ...(own.seed === undefined ? {} : { seed: own.seed }),
        ...(own.threads === undefined ? {} : { threads: own.threads }),
        search: { trials: own.trials ?? demoTrials },
        note: 'demo',
      }),
    );
  });
  const seconds = (Date.now() - start) / 1000;
  if (options.json) {
    printJson({ ...searchResult(detail), seconds });
    return;
  }
  printLine('');
  printSolutions(detail.solutions);
  printPolicy(detail);
  const best = detail.solutions.find((solution) => solution.role === 'best');
  const rival = bestBaseline(detail.solutions);
  if (!best || !rival) throw new LatheError('internal', `run ${detail.summary.id} completed without a policy or a baseline`);
  printLine('');
  printLine(
    `Found: ${percentUnit(best.testAccuracy)} at ${msUnit(best.latencyMs)} (simulated). Best uniform policy within the budget, ${rival.label}: ${percentUnit(rival.testAccuracy)} at ${msUnit(rival.latencyMs)}.`,
  );
  printLine(
    `Took ${duration(seconds)}. Open it in the app: "npm start", then Runs, ${detail.summary.id}; or in the terminal: "npm run -s lathe -- run show ${detail.summary.id}".`,
  );
}
