/** What the form of an architecture search makes of what was typed: problems and the request. Pure. */
import type { Output } from '../../../shared/contract.ts';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import { resource as amount } from '../../../shared/format.ts';
import type { Resource } from '../../../shared/policy.ts';
import type { Manifest, RunRequest } from '../../../shared/run.ts';
import type { SpacePreview } from '../../../shared/space.ts';
import type { SpecializeParameters } from '../../../shared/specialize.ts';
import { parseNumber } from '../../lib/ui/numbers.ts';

type Defaults = Output<'system.info'>['defaults'];

export interface SpecializeChoice {
  readonly space: string; // empty: what fits the images
  readonly dataset: string;
  readonly target: string;
  readonly resource: Resource;
  readonly limit: string; // in the resource's unit
  readonly objective: SpecializeParameters['objective'];
  readonly algorithm: SpecializeParameters['algorithm'];
  readonly numbers: Readonly<Record<string, string>>; // typed over a default
  readonly seed: string;
  readonly note: string;
}

interface NumberField {
  readonly id: keyof SpecializeParameters | 'epochs';
  readonly label: string;
  readonly explain: string;
  readonly whole: boolean;
  readonly least: number;
  readonly defaultOf: (defaults: Defaults) => number;
}

type NumberKey = { [K in keyof SpecializeParameters]: SpecializeParameters[K] extends number ? K : never }[keyof SpecializeParameters];

function search(id: NumberKey, label: string, explain: string, whole: boolean, least: number): NumberField {
  return { id, label, explain, whole, least, defaultOf: (defaults) => defaults.specialize[id] };
}

export const numberFields: readonly NumberField[] = [
  search('warmupEpochs', 'Warm-up epochs', 'Of the supernet, on random paths, before the architecture learns.', true, 0),
  search('searchEpochs', 'Search epochs', 'Weights and architecture learn in turn, on images of their own.', true, 1),
  search('batchSize', 'Batch size', 'Images of a step of the supernet.', true, 2),
  search('architectureEvery', 'Steps between', 'Steps of the weights between two of the architecture.', true, 1),
  search('architectureRate', 'Architecture rate', 'Adam’s: about so much a step moves each alpha.', false, 0),
  search('costWeight', 'Weight of the cost', 'How strongly the objective holds to the budget.', false, 0),
  search(
    'selectionNetworks',
    'Networks tried',
    'Likely ones, tried as wholes with the shared weights before one is chosen; 1: the likeliest.',
    true,
    1,
  ),
  {
    id: 'epochs',
    label: 'Training epochs',
    explain: 'Of the found network and its rivals, each from its own start.',
    whole: true,
    least: 1,
    defaultOf: (defaults) => defaults.training.epochs,
  },
  search('randomRivals', 'Random rivals', 'Random networks of equal cost, trained as the found one.', true, 0),
];

export interface Problem {
  readonly field: string;
  readonly text: string;
}

/** Everything that keeps the run from being started. */
export function problemsOf(choice: SpecializeChoice, preview: SpacePreview | null, dataset: DatasetInfo | null): readonly Problem[] {
  const found: Problem[] = [];
  if (dataset === null) found.push({ field: 'dataset', text: 'Data set: choose one.' });
  else if (!dataset.available) found.push({ field: 'dataset', text: `${dataset.title} has to be added first.` });
  if (choice.target === '') found.push({ field: 'target', text: 'Target: choose one.' });
  const limit = parseNumber(choice.limit);
  const range = preview?.resources.find((row) => row.resource === choice.resource);
  if (!(limit > 0)) found.push({ field: 'limit', text: `Budget: expected more than 0, found “${choice.limit}”.` });
  else if (range && limit < range.least) {
    found.push({
      field: 'limit',
      text: `No network of the space can meet ${amount(choice.resource, limit)}: the least possible is ${amount(choice.resource, range.least)}.`,
    });
  }
  for (const { id, label, whole, least } of numberFields) {
    const text = choice.numbers[id] ?? '';
    if (text.trim() === '') continue;
    const value = parseNumber(text);
    if (Number.isNaN(value) || value < least || (whole && !Number.isInteger(value))) {
      found.push({ field: id, text: `${label}: expected a ${whole ? 'whole ' : ''}number of at least ${String(least)}, found “${text}”.` });
    }
  }
  if (!Number.isInteger(parseNumber(choice.seed)) || parseNumber(choice.seed) < 0) {
    found.push({ field: 'seed', text: `Seed: expected a whole number from 0, found “${choice.seed}”.` });
  }
  return found;
}

/** The choice that another run was made of; null: it was no search of an architecture. */
export function choiceOf(manifest: Manifest, note: string): SpecializeChoice | null {
  const [budget] = manifest.method === 'specialize' ? manifest.budgets : [];
  if (manifest.method !== 'specialize' || budget === undefined) return null;
  const { search, training } = manifest;
  const numbers = numberFields.map(({ id }) => [id, String(id === 'epochs' ? training.epochs : search[id])]);
  return {
    space: manifest.space.id,
    dataset: manifest.dataset,
    target: manifest.target,
    resource: budget.resource,
    limit: budget.kind === 'absolute' ? String(budget.value) : '', // a fraction is of what the preview says
    objective: search.objective,
    algorithm: search.algorithm,
    numbers: Object.fromEntries(numbers) as Record<string, string>,
    seed: String(manifest.seed),
    note,
  };
}

/** The request; only what was typed is named. Ask for `problemsOf` first. */
export function requestOf(choice: SpecializeChoice): RunRequest {
  const typed = Object.entries(choice.numbers).filter(([, text]) => text.trim() !== '');
  const epochs = typed.find(([id]) => id === 'epochs');
  return {
    method: 'specialize',
    dataset: choice.dataset,
    target: choice.target,
    budgets: [{ resource: choice.resource, kind: 'absolute', value: parseNumber(choice.limit) }],
    seed: parseNumber(choice.seed),
    ...(choice.space === '' ? {} : { space: choice.space }),
    ...(choice.note.trim() === '' ? {} : { note: choice.note.trim() }),
    ...(epochs ? { training: { epochs: parseNumber(epochs[1]) } } : {}),
    search: {
      objective: choice.objective,
      algorithm: choice.algorithm,
      ...Object.fromEntries(typed.filter(([id]) => id !== 'epochs').map(([id, text]) => [id, parseNumber(text)])),
    },
  };
}
