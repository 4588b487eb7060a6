import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { trainingParametersSchema, type TrainingParameters } from '../../shared/run.ts';
import { recipes } from '../../shared/recipes.ts';
import { trainingOf, withTrainingFlags, type TrainingFlags } from './training-flags.ts';

function parse(...args: readonly string[]): Partial<TrainingParameters> {
  const command = withTrainingFlags(new Command().exitOverride().configureOutput({ writeErr: () => undefined }));
  command.parse([...args], { from: 'user' });
  return trainingOf(command.opts<TrainingFlags>());
}

describe('the options of a training', () => {
  it.each([
    [['--optimizer', 'rmsprop'], /expected one of sgd, adam/],
    [['--recipe', 'best'], /expected one of quick, accurate, adam/],
    [['--momentum', 'much'], /expected a number/],
    [['--crop', '1.5'], /expected a whole number from 0 to 1024/],
  ])('refuse %j', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  it('name nothing that was not asked for, so that defaults stay the contract’s', () => {
    expect(parse()).toEqual({});
    expect(parse('--batch', '32')).toEqual({ batchSize: 32 });
    expect(parse('--batch-size', '32', '--no-nesterov', '--patience', '0')).toEqual({ batchSize: 32, nesterov: false, patienceEpochs: 0 });
  });

  it('change a recipe where both say something', () => {
    const { training } = recipes[1];
    expect(parse('--recipe', 'accurate', '--epochs', '3', '--no-flip')).toEqual({ ...training, epochs: 3, flip: false });
  });

  it('reach every parameter of a training', () => {
    const all = ['--epochs 1 --batch 2 --optimizer adam --lr 1 --schedule step --warmup 1 --step-epochs 1 --step-factor 1 --momentum 0'];
    all.push(
      '--nesterov --beta1 0 --beta2 0 --weight-decay 0 --decay-all --label-smoothing 0 --clip-norm 0 --crop 0 --flip --cutout 0 --patience 0',
    );
    const named = parse(...all.join(' ').split(' '));
    expect(Object.keys(named).sort()).toEqual(Object.keys(trainingParametersSchema.shape).sort());
  });
});

describe('recipes', () => {
  it('are training parameters that the contract takes, and differ from each other', () => {
    for (const { training } of recipes) expect(trainingParametersSchema.parse(training)).toMatchObject(training);
    expect(new Set(recipes.map(({ training }) => JSON.stringify(training))).size).toBe(recipes.length);
  });
});
