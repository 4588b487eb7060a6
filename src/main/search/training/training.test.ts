/** Training as a whole: the same bits again, also across a stop; the early stop; and what is said when it diverges. */
import { deserialize, serialize } from 'node:v8';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../../shared/random.ts';
import { trainingParametersSchema, type Metric, type TrainingParameters } from '../../../shared/run.ts';
import { addonInfo, createControl, createModel, setThreads, type Model } from '../../compute/index.ts';
import { firstIndices, randomImages, startingValues, tinyProgram } from '../../compute/test-kit.ts';
import { Training, type TrainingState } from './training.ts';

const program = tinyProgram;
const images = randomImages(Random.fromSeed(3), 330, program.inputShape, program.classes);
const before = addonInfo();
beforeAll(() => setThreads(2));
afterAll(() => setThreads(before.threads));

interface Made {
  readonly model: Model;
  readonly training: Training;
}

/** 41 steps an epoch, in calls of 25 and 16; the last 2 images of each are left out. */
function make(change: Partial<TrainingParameters>, seed = 1): Made {
  const random = Random.fromSeed(seed);
  const model = createModel(program);
  model.setState(startingValues(model.parameters, random.derive('initial weights')));
  const options = trainingParametersSchema.parse({ epochs: 5, batchSize: 8, learningRate: 0.03, warmupSteps: 10, ...change });
  return { model, training: new Training(model, images.dataset, firstIndices(330), options, random.derive('training'), createControl()) };
}

/** Advances to the end, or up to `steps`; no early stop. */
async function run({ training }: Made, steps = Number.POSITIVE_INFINITY): Promise<Metric[]> {
  const metrics: Metric[] = [];
  while (!training.finished && training.stepsDone < steps) {
    if (training.awaitsJudgement) training.judge(0);
    else metrics.push(...(await training.advance()));
  }
  return metrics;
}

const everything = { labelSmoothing: 0.1, clipNorm: 1, cropPadding: 1, flip: true, cutout: 2 } as const;

describe.each([
  ['SGD', { optimizer: 'sgd', nesterov: true, ...everything }],
  ['Adam', { optimizer: 'adam', learningRate: 0.01, weightDecay: 0.05, ...everything }],
  ['SGD, bare', {}],
] as const)('200 steps of %s', (_, change) => {
  it('give the same bits twice, with one thread and with two', async () => {
    const first = make(change);
    const metrics = await run(first);
    expect(first.training.stepsDone).toBe(205);
    for (const threads of [2, 1]) {
      setThreads(threads);
      const again = make(change);
      expect(await run(again)).toEqual(metrics);
      expect(again.model.getState()).toEqual(first.model.getState());
    }
    setThreads(2);
  });

  it('give the same bits across a stop in the middle of an epoch and a resume from what was saved', async () => {
    const whole = make(change);
    const metrics = await run(whole);
    const first = make(change);
    const head = await run(first, 90);
    expect(first.training.stepsDone).toBe(82 + 25);
    const saved = deserialize(serialize(first.training.save())) as TrainingState;
    const second = make(change);
    second.training.restore(saved);
    const tail = await run(second);
    expect([...head, ...tail]).toEqual(metrics);
    expect(second.model.getState()).toEqual(whole.model.getState());
  });

  it('give others with another seed', async () => {
    const [one, two] = [make(change, 1), make(change, 2)];
    two.model.setState(one.model.getState().parameters); // the same start: order and augmentation alone differ
    await run(one, 20);
    await run(two, 20);
    expect(one.model.getState()).not.toEqual(two.model.getState());
  });
});

describe('augmentation', () => {
  it('changes what is learned, in every one of its kinds', async () => {
    const results = [];
    for (const change of [{}, { cropPadding: 1 }, { flip: true }, { cutout: 2 }]) {
      const made = make(change);
      await run(made, 20);
      results.push(made.model.getState().parameters.join());
    }
    expect(new Set(results).size).toBe(4);
  });
});

describe('an early stop', () => {
  /** Advances with these validation accuracies, an epoch each; what `judge` said. */
  async function judged({ training }: Made, accuracies: readonly number[]): Promise<unknown[]> {
    const said: unknown[] = [];
    while (!training.finished) {
      if (training.awaitsJudgement) said.push(training.judge(accuracies[training.epochsDone - 1] ?? 0));
      else await training.advance();
    }
    return said;
  }

  it('does not come without patience, whatever the accuracies are', async () => {
    const made = make({ epochs: 4 });
    expect(await judged(made, [0.9, 0.1, 0.1, 0.1])).toEqual([null, null, null, null]);
    expect(made.training.stepsDone).toBe(164);
  });

  it('comes after so many epochs that were no better, an equal one included, and gives the best weights back', async () => {
    const made = make({ patienceEpochs: 2 });
    const said = await judged(made, [0.5, 0.7, 0.7, 0.6, 0.9]);
    expect(said).toMatchObject([null, null, null, { epoch: 2, accuracy: 0.7 }]);
    expect(made.training.epochsDone).toBe(4);
    const upToBest = make({ patienceEpochs: 2 });
    await run(upToBest, 82);
    expect(made.model.getState().parameters).toEqual(upToBest.model.getState().parameters);
  });

  it('counts on from where a stopped training was', async () => {
    const first = make({ patienceEpochs: 2 });
    first.training.judge(0);
    for (const accuracy of [0.5, 0.7, 0.6]) {
      while (!first.training.awaitsJudgement) await first.training.advance();
      first.training.judge(accuracy);
    }
    const second = make({ patienceEpochs: 2 });
    second.training.restore(deserialize(serialize(first.training.save())) as TrainingState);
    while (!second.training.awaitsJudgement) await second.training.advance();
    expect(second.training.judge(0.65)).toMatchObject({ epoch: 2, accuracy: 0.7 });
    expect(second.training.finished).toBe(true);
  });

  it('judges an epoch after a resume when it was stopped between the last step and the judgement', async () => {
    const first = make({ epochs: 1 });
    while (!first.training.awaitsJudgement) await first.training.advance();
    const second = make({ epochs: 1 });
    second.training.restore(first.training.save());
    expect(second.training.finished).toBe(false);
    expect(second.training.awaitsJudgement).toBe(true);
    second.training.judge(0.5);
    expect(second.training.finished).toBe(true);
  });
});

describe('a training that diverges', () => {
  it('ends with a sentence that names the step of the whole training, and the cure', async () => {
    const made = make({ learningRate: 100, warmupSteps: 60, momentum: 0.9999, clipNorm: 0 });
    await expect(run(made)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringMatching(
        /^training diverged: the (loss|gradient) is not finite at step \d+; lower the learning rate, warm up longer or clip the gradient$/,
      ) as unknown,
    });
    const finite = (values: Float32Array): boolean => values.every(Number.isFinite);
    expect(finite(made.model.getState().parameters)).toBe(true);
  });
});
