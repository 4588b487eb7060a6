/** What the form of a pipeline makes of what was typed: problems, the limit of each stage, and the request. Pure. */
import type { Output } from '../../../shared/contract.ts';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import { plannedLimits, wholeLimit } from '../../../shared/pipeline.ts';
import type { Budget } from '../../../shared/policy.ts';
import {
  pipelineRivalSchema,
  stageNameSchema,
  type Manifest,
  type PipelineRival,
  type PipelineStages,
  type RunRequest,
  type StageName,
} from '../../../shared/run.ts';
import { parseNumber } from '../../lib/ui/numbers.ts';
import type { Problem } from './specialize.ts';

export type PipelinePreview = Output<'pipeline.preview'>;
type Defaults = Output<'system.info'>['defaults'];

export interface PipelineChoice {
  readonly network: string;
  readonly width: string; // empty: the network's own
  readonly dataset: string;
  readonly target: string;
  readonly resource: 'latency' | 'energy';
  readonly percent: string; // of the reference
  readonly stages: readonly StageName[];
  readonly space: string; // empty: what fits the images
  readonly ownBudgets: Readonly<Partial<Record<StageName, readonly Budget[]>>>; // in place of a share; from another run's settings
  readonly rivals: readonly PipelineRival[];
  readonly numbers: Readonly<Record<string, string>>; // typed over a default
  readonly seed: string;
  readonly note: string;
}

interface NumberField {
  readonly id: string;
  readonly stage: StageName | null; // null: of all
  readonly label: string;
  readonly explain: string;
  readonly least: number;
  readonly defaultOf: (defaults: Defaults) => number;
}

export const numberFields: readonly NumberField[] = [
  {
    id: 'warmupEpochs',
    stage: 'specialize',
    label: 'Warm-up epochs',
    explain: 'Of the supernet, on random paths, before the architecture learns.',
    least: 0,
    defaultOf: ({ specialize }) => specialize.warmupEpochs,
  },
  {
    id: 'searchEpochs',
    stage: 'specialize',
    label: 'Search epochs',
    explain: 'Weights and architecture learn in turn.',
    least: 1,
    defaultOf: ({ specialize }) => specialize.searchEpochs,
  },
  {
    id: 'pruneTrials',
    stage: 'prune',
    label: 'Trials',
    explain: 'Choices of channels that are evaluated.',
    least: 1,
    defaultOf: ({ prune }) => prune.trials,
  },
  {
    id: 'tuneEpochs',
    stage: 'prune',
    label: 'Fine-tuning epochs',
    explain: 'Of the pruned network; empty: as many as the training has.',
    least: 0,
    defaultOf: ({ training }) => training.epochs,
  },
  {
    id: 'quantizeTrials',
    stage: 'quantize',
    label: 'Trials',
    explain: 'Choices of bits that are evaluated.',
    least: 1,
    defaultOf: ({ quantize }) => quantize.trials,
  },
  {
    id: 'finetuneEpochs',
    stage: 'quantize',
    label: 'Quantized training',
    explain: 'Epochs, of the policy that was found.',
    least: 0,
    defaultOf: ({ quantize }) => quantize.finetuneEpochs,
  },
  {
    id: 'epochs',
    stage: null,
    label: 'Training epochs',
    explain: 'Of the reference and of the network that the first stage finds or starts from.',
    least: 1,
    defaultOf: ({ training }) => training.epochs,
  },
];

export function fieldsOf(stage: StageName | null): readonly NumberField[] {
  return numberFields.filter((field) => field.stage === stage);
}

/** Everything that keeps the pipeline from being started. */
export function problemsOf(choice: PipelineChoice, preview: PipelinePreview | null, dataset: DatasetInfo | null): readonly Problem[] {
  const found: Problem[] = [];
  const add = (field: string, text: string): void => void found.push({ field, text });
  const width = parseNumber(choice.width);
  if (choice.network === '') add('network', 'Reference: choose a network.');
  if (choice.width.trim() !== '' && !(width > 0 && width <= 4)) {
    add('width', `Width: expected more than 0 and at most 4, found “${choice.width}”.`);
  }
  if (dataset === null) add('dataset', 'Data set: choose one.');
  else if (!dataset.available) add('dataset', `${dataset.title} has to be added first.`);
  if (choice.target === '') add('target', 'Target: choose one.');
  if (choice.stages.length === 0) add('stages', 'Stages: choose at least one.');
  const share = parseNumber(choice.percent);
  if (!(share > 0 && share <= 100)) add('percent', `Budget: expected more than 0 and at most 100 %, found “${choice.percent}”.`);
  if (choice.resource === 'energy' && preview?.reference.energyMj === null) {
    add('percent', 'Budget: this target has no energy model; choose latency.');
  }
  for (const { id, label, least } of numberFields) {
    const text = choice.numbers[id] ?? '';
    const value = parseNumber(text);
    if (text.trim() !== '' && (!Number.isInteger(value) || value < least)) {
      add(id, `${label}: expected a whole number of at least ${String(least)}, found “${text}”.`);
    }
  }
  const seed = parseNumber(choice.seed);
  if (!Number.isInteger(seed) || seed < 0) add('seed', `Seed: expected a whole number from 0, found “${choice.seed}”.`);
  return found;
}

function budgetOf({ resource, percent }: PipelineChoice): Budget {
  return { resource, kind: 'fraction', value: parseNumber(percent) / 100 };
}

/** What each chosen stage may leave, in the budget's unit; empty while that is not known. */
export function limitsOf(choice: PipelineChoice, preview: PipelinePreview | null): ReturnType<typeof plannedLimits> {
  const reference = preview === null ? null : choice.resource === 'latency' ? preview.reference.latencyMs : preview.reference.energyMj;
  const budget = budgetOf(choice);
  if (reference === null || !(budget.value > 0)) return [];
  return plannedLimits(reference, wholeLimit(budget, reference), stagesOf(choice));
}

function stagesOf({ stages, space, ownBudgets, numbers }: PipelineChoice): PipelineStages {
  const typed = (id: string, key: string): object => {
    const text = numbers[id] ?? '';
    return text.trim() === '' ? {} : { [key]: parseNumber(text) };
  };
  const own = (name: StageName): Budget[] => [...(ownBudgets[name] ?? [])];
  const all = {
    specialize: {
      budgets: own('specialize'),
      ...(space === '' ? {} : { space }),
      search: { ...typed('warmupEpochs', 'warmupEpochs'), ...typed('searchEpochs', 'searchEpochs') },
    },
    prune: { budgets: own('prune'), search: typed('pruneTrials', 'trials'), tuning: typed('tuneEpochs', 'epochs') },
    quantize: { budgets: own('quantize'), search: { ...typed('quantizeTrials', 'trials'), ...typed('finetuneEpochs', 'finetuneEpochs') } },
  } satisfies PipelineStages;
  return Object.fromEntries(stageNameSchema.options.filter((name) => stages.includes(name)).map((name) => [name, all[name]]));
}

/** The request; only what was typed is named. Ask for `problemsOf` first. */
export function requestOf(choice: PipelineChoice): RunRequest {
  const epochs = choice.numbers['epochs'] ?? '';
  return {
    method: 'pipeline',
    network: networkOf(choice),
    dataset: choice.dataset,
    target: choice.target,
    budgets: [budgetOf(choice)],
    stages: stagesOf(choice),
    rivals: pipelineRivalSchema.options.filter((rival) => choice.rivals.includes(rival)),
    seed: parseNumber(choice.seed),
    ...(choice.note.trim() === '' ? {} : { note: choice.note.trim() }),
    ...(epochs.trim() === '' ? {} : { training: { epochs: parseNumber(epochs) } }),
  };
}

export function networkOf({ network, width }: PipelineChoice): { readonly id: string; readonly width?: number } {
  return { id: network, ...(width.trim() === '' ? {} : { width: parseNumber(width) }) };
}

/** The choice that another pipeline was made of; null: it was another kind of run. */
export function choiceOf(manifest: Manifest, note: string): PipelineChoice | null {
  if (manifest.method !== 'pipeline') return null;
  const { stages, network, training } = manifest;
  const [budget] = manifest.budgets;
  const numbers: Readonly<Record<string, number | undefined>> = {
    warmupEpochs: stages.specialize?.search?.warmupEpochs,
    searchEpochs: stages.specialize?.search?.searchEpochs,
    pruneTrials: stages.prune?.search?.trials,
    tuneEpochs: stages.prune?.tuning?.epochs,
    quantizeTrials: stages.quantize?.search?.trials,
    finetuneEpochs: stages.quantize?.search?.finetuneEpochs,
    epochs: training.epochs,
  };
  const space = stages.specialize?.space;
  return {
    network: network.id,
    width: network.graph === undefined ? String(network.width) : '',
    dataset: manifest.dataset,
    target: manifest.target,
    resource: budget?.resource === 'energy' ? 'energy' : 'latency',
    percent: budget?.kind === 'fraction' ? String(Number((budget.value * 100).toPrecision(6))) : '', // an absolute one is to be chosen again
    stages: stageNameSchema.options.filter((name) => stages[name] !== undefined),
    space: typeof space === 'string' ? space : '',
    ownBudgets: Object.fromEntries(stageNameSchema.options.map((name) => [name, stages[name]?.budgets ?? []])),
    rivals: manifest.rivals,
    numbers: Object.fromEntries(Object.entries(numbers).flatMap(([id, value]) => (value === undefined ? [] : [[id, String(value)]]))),
    seed: String(manifest.seed),
    note,
  };
}
