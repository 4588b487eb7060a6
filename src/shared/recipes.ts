/**
 * Named sets of training parameters: what differs from the defaults. Their accuracies and times are measured in
 * docs/guide/training.md; a recipe only fills in values, so a manifest names every one of them.
 */
import type { TrainingParameters } from './run.ts';

export interface Recipe {
  readonly id: string;
  readonly title: string;
  readonly explain: string;
  readonly training: Partial<TrainingParameters>;
}

export const recipes = [
  { id: 'quick', title: 'Quick', explain: 'The defaults: a few epochs of SGD, enough to start a search from.', training: {} },
  {
    id: 'accurate',
    title: 'Accurate',
    explain: 'More epochs, mirrored images, less decay, Nesterov’s momentum: for the figure that counts.',
    training: {
      epochs: 20,
      nesterov: true,
      flip: true,
      weightDecay: 5e-5,
    },
  },
  {
    id: 'adam',
    title: 'AdamW',
    explain: 'Adam with decoupled decay: forgiving where the learning rate of SGD is not known yet.',
    training: { optimizer: 'adam', learningRate: 0.002, weightDecay: 0.05 },
  },
] as const satisfies readonly Recipe[];

export type RecipeId = (typeof recipes)[number]['id'];

export function recipeOf(id: string): Recipe | undefined {
  return recipes.find((recipe) => recipe.id === id);
}
