/** The new-run form: what is chosen, what is wrong with it, and the request it makes. */
import type { Output } from '../../../shared/contract.ts';
import type { DatasetInfo } from '../../../shared/dataset.ts';
import { amountOf } from '../../../shared/budgets.ts';
import type { NetworkRef } from '../../../shared/network.ts';
import type { Budget, QuantizePolicy, Resource } from '../../../shared/policy.ts';
import { recipes, type Recipe } from '../../../shared/recipes.ts';
import type { Manifest, RunMethod, RunRequest } from '../../../shared/run.ts';
import { impossible, rangeOf, type Preview } from './budgets.ts';
import { parseNumber } from '../../lib/ui/numbers.ts';
import { parameters, problemOf, type Group, type Parameter, type ParameterValue } from './parameters.ts';

export type Defaults = Output<'system.info'>['defaults'];

export interface Problem {
  readonly field: string;
  readonly text: string;
}

const largestSeed = 0xffff_ffff;

export class RunForm {
  method = $state<RunMethod>('quantize');
  networkId = $state('');
  width = $state(''); // empty: the network's own
  datasetId = $state('');
  targetId = $state('');
  batch = $state(''); // empty: the target's own
  budgets = $state.raw<readonly Budget[]>([{ resource: 'latency', kind: 'fraction', value: 0.5 }]);
  pruneBudgets = $state.raw<readonly Budget[]>([{ resource: 'macs', kind: 'fraction', value: 0.5 }]);
  pruneTarget = $state(''); // empty: none
  tuneEpochs = $state(''); // empty: as many as the training
  pruneProblem = $state.raw<string | null>(null); // what the preview of a pruning says
  seed = $state('1');
  threads = $state(''); // empty: the physical cores
  note = $state('');
  /** A policy that a search of bits tries first, and the file that it is from. */
  start = $state.raw<{ readonly name: string; readonly policy: QuantizePolicy } | null>(null);
  /** The run whose agent decides, where the search's method is transfer. */
  agentRun = $state('');
  /** What was typed over a default, by `group.key`. */
  typed = $state.raw<ReadonlyMap<string, string>>(new Map());
  preview = $state.raw<Preview | null>(null);
  readonly defaults: Defaults;

  constructor(defaults: Defaults) {
    this.defaults = defaults;
  }

  defaultOf(parameter: Parameter): ParameterValue {
    const { agent, ...search } = this.defaults.quantize;
    const { agent: _agent, groups: _groups, ...prune } = this.defaults.prune;
    const groups: Readonly<Record<Group, Readonly<Record<string, ParameterValue>>>> = {
      search,
      prune,
      training: this.defaults.training,
      agent,
    };
    return groups[parameter.group][parameter.key] ?? Number.NaN;
  }

  /** What stands in the field. */
  textOf(parameter: Parameter): string {
    return this.typed.get(`${parameter.group}.${parameter.key}`) ?? String(this.defaultOf(parameter));
  }

  valueOf(parameter: Parameter): ParameterValue {
    const text = this.textOf(parameter);
    if (parameter.kind === 'choice') return text;
    return parameter.kind === 'switch' ? text === 'true' : parseNumber(text);
  }

  isChanged(parameter: Parameter): boolean {
    return !Object.is(this.valueOf(parameter), this.defaultOf(parameter));
  }

  type(parameter: Parameter, text: string): void {
    const typed = new Map(this.typed);
    const key = `${parameter.group}.${parameter.key}`;
    if (text.trim() === '' || text === String(this.defaultOf(parameter))) typed.delete(key);
    else typed.set(key, text);
    this.typed = typed;
  }

  /** Fills in a recipe's training parameters; the others go back to their defaults. */
  applyRecipe(recipe: Recipe): void {
    for (const parameter of parameters.training) {
      const values: Readonly<Record<string, ParameterValue | undefined>> = recipe.training;
      this.type(parameter, String(values[parameter.key] ?? this.defaultOf(parameter)));
    }
  }

  /** The recipe whose parameters these are; null: the user's own. */
  get recipe(): Recipe | null {
    const fits = (recipe: Recipe): boolean => {
      const values: Readonly<Record<string, ParameterValue | undefined>> = recipe.training;
      return parameters.training.every((p) => Object.is(this.valueOf(p), values[p.key] ?? this.defaultOf(p)));
    };
    return recipes.find(fits) ?? null;
  }

  /** The training parameters that differ from their defaults. */
  get training(): Record<string, ParameterValue> {
    return this.#changed('training');
  }

  /** Whether another run's agent decides. */
  get isTransfer(): boolean {
    const [group] = this.groups;
    const method = group === undefined ? undefined : parameters[group].find(({ key }) => key === 'method');
    return method !== undefined && this.valueOf(method) === 'transfer';
  }

  /** Asked for, of a search; null: what a run takes of the data set. */
  get validationImages(): number | null {
    const [group] = this.groups;
    if (group !== 'search' && group !== 'prune') return null;
    const images = this.#changed(group)['validationImages'];
    return typeof images === 'number' ? images : null;
  }

  resetParameters(): void {
    this.typed = new Map();
  }

  get groups(): readonly Group[] {
    switch (this.method) {
      case 'quantize':
        return ['search', 'training', 'agent'];
      case 'prune':
        return ['prune', 'training'];
      default:
        return ['training'];
    }
  }

  get changedCount(): number {
    return this.groups.flatMap((group) => parameters[group]).filter((parameter) => this.isChanged(parameter)).length;
  }

  get network(): NetworkRef {
    return { id: this.networkId, ...(this.width.trim() === '' ? {} : { width: parseNumber(this.width) }) };
  }

  numberOf(group: Group, key: string): number {
    const parameter = parameters[group].find((p) => p.key === key);
    const value = parameter ? this.valueOf(parameter) : Number.NaN;
    return typeof value === 'number' ? value : Number.NaN;
  }

  get protectFirstAndLast(): boolean {
    const parameter = parameters.search.find((p) => p.key === 'protectFirstAndLast');
    return parameter !== undefined && this.valueOf(parameter) === true;
  }

  setBudget(index: number, budget: Budget): void {
    this.budgets = this.budgets.map((old, i) => (i === index ? budget : old));
  }

  addBudget(resource: Resource): void {
    this.budgets = [...this.budgets, { resource, kind: 'fraction', value: 0.5 }];
  }

  removeBudget(index: number): void {
    this.budgets = this.budgets.filter((_, i) => i !== index);
  }

  /** Everything that keeps the run from being started, in the order of the form. */
  problems(dataset: DatasetInfo | null): readonly Problem[] {
    const found: Problem[] = [];
    const add = (field: string, text: string | null): void => {
      if (text !== null) found.push({ field, text });
    };
    const width = parseNumber(this.width);
    add('network', this.networkId === '' ? 'Network: choose one.' : null);
    add(
      'width',
      this.width.trim() === '' || (width > 0 && width <= 4) ? null : `Width: expected more than 0 and at most 4, found “${this.width}”.`,
    );
    if (dataset === null) add('dataset', 'Data set: choose one.');
    else if (!dataset.available) add('dataset', `${dataset.title} has to be added first.`);
    if (this.method === 'quantize') {
      add('target', this.targetId === '' ? 'Target: choose one.' : null);
      add('batch', wholeProblem('Batch', this.batch, 1, 4096));
      if (this.budgets.length === 0) add('budget', 'Budget: at least one is needed; without one the 8-bit form is the answer.');
      this.budgets.forEach((budget, i) => {
        if (!(budget.value > 0)) add(`budget.${String(i)}`, `Budget on ${budget.resource}: expected more than 0.`);
        else if (this.preview !== null) {
          const range = rangeOf(this.preview, budget.resource);
          if (range !== null) add(`budget.${String(i)}`, impossible(budget, range));
          else if (amountOf(this.preview.reference, budget.resource) === null)
            add(`budget.${String(i)}`, `This target has no model of ${budget.resource}: remove this budget.`);
        }
      });
    }
    if (this.method === 'prune') {
      add('tuneEpochs', wholeProblem('Epochs of fine-tuning', this.tuneEpochs, 0, 10_000));
      add('pruneBudget', this.pruneProblem);
    }
    if (this.isTransfer && this.agentRun === '') add('agentRun', 'Agent: choose the run whose agent decides.');
    add('seed', wholeProblem('Seed', this.seed === '' ? ' ' : this.seed, 0, largestSeed));
    add('threads', wholeProblem('Threads', this.threads, 1, 1024));
    for (const group of this.groups)
      for (const parameter of parameters[group]) add(`${group}.${parameter.key}`, this.parameterProblem(parameter));
    if (this.method === 'quantize') {
      if (this.numberOf('search', 'minimumBits') > this.numberOf('search', 'maximumBits'))
        add('search.minimumBits', 'Fewest bits: more than the most bits.');
      if (this.numberOf('search', 'rewardImages') > this.numberOf('search', 'validationImages'))
        add('search.rewardImages', 'Reward images: more than the validation images they are taken from.');
      const statistics = this.numberOf('search', 'statisticsImages');
      if (statistics === 1 || statistics > this.numberOf('search', 'calibrationImages'))
        add('search.statisticsImages', 'Statistics images: expected 0, or from 2 up to the calibration images that they are taken from.');
    }
    if (dataset?.available && this.validationImages !== null && this.validationImages >= dataset.train)
      add(
        `${String(this.groups[0])}.validationImages`,
        `Validation images: ${dataset.title} has ${String(dataset.train)} training images, and some must be left to train on.`,
      );
    return found;
  }

  parameterProblem(parameter: Parameter): string | null {
    const value = this.valueOf(parameter);
    if (typeof value === 'number' && Number.isNaN(value))
      return `${parameter.label}: expected a number, found “${this.textOf(parameter)}”.`;
    return problemOf(parameter, value);
  }

  /** The request; only what differs from a default is named. Ask for `problems` first. */
  request(): RunRequest {
    const { training } = this;
    const common = {
      network: this.network,
      dataset: this.datasetId,
      seed: parseNumber(this.seed),
      ...(this.threads.trim() === '' ? {} : { threads: parseNumber(this.threads) }),
      ...(this.note.trim() === '' ? {} : { note: this.note.trim() }),
      ...(Object.keys(training).length === 0 ? {} : { training }),
    };
    if (this.method === 'train') return { method: 'train', ...common };
    if (this.method === 'prune') {
      const search = this.#changed('prune');
      return {
        method: 'prune',
        ...common,
        ...this.pruneQuestion,
        ...this.#agent,
        ...(Object.keys(search).length === 0 ? {} : { search }),
        ...(this.tuneEpochs.trim() === '' ? {} : { tuning: { epochs: parseNumber(this.tuneEpochs) } }),
      };
    }
    const agent = this.#changed('agent');
    const search = { ...this.#changed('search'), ...(Object.keys(agent).length === 0 ? {} : { agent }) };
    return {
      method: 'quantize',
      ...common,
      target: this.targetId,
      ...(this.batch.trim() === '' ? {} : { batch: parseNumber(this.batch) }),
      budgets: [...this.budgets],
      ...(this.start === null ? {} : { start: this.start.policy }),
      ...this.#agent,
      ...(Object.keys(search).length === 0 ? {} : { search }),
    };
  }

  get #agent(): { readonly agentRun?: string } {
    return this.isTransfer ? { agentRun: this.agentRun } : {};
  }

  /** What a pruning is held to. */
  get pruneQuestion(): { readonly budgets: Budget[]; readonly target?: string } {
    return { budgets: [...this.pruneBudgets], ...(this.pruneTarget === '' ? {} : { target: this.pruneTarget }) };
  }

  /** The parameters of a pruning that differ from their defaults. */
  get pruneSearch(): Record<string, ParameterValue> {
    return this.#changed('prune');
  }

  /** Fills the form from what another run was. */
  fill(manifest: Manifest, note: string): void {
    this.method = manifest.method;
    this.networkId = manifest.network.id;
    this.width = String(manifest.network.width);
    this.datasetId = manifest.dataset;
    this.seed = String(manifest.seed);
    this.threads = String(manifest.threads);
    this.note = note;
    this.typed = new Map();
    const type = (group: Group, values: Readonly<Record<string, unknown>>): void => {
      for (const parameter of parameters[group]) {
        const value = values[parameter.key];
        if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') this.type(parameter, String(value));
      }
    };
    type('training', manifest.training);
    this.agentRun = 'agentRun' in manifest ? (manifest.agentRun ?? '') : '';
    if (manifest.method === 'prune') {
      this.pruneTarget = manifest.target ?? '';
      this.pruneBudgets = manifest.budgets;
      this.tuneEpochs = String(manifest.tuning.epochs);
      type('prune', manifest.search);
    }
    if (manifest.method !== 'quantize') return;
    this.targetId = manifest.target;
    this.batch = String(manifest.batch);
    this.budgets = manifest.budgets;
    this.start = manifest.start === undefined ? null : { name: 'the start of that run', policy: manifest.start };
    type('search', manifest.search);
    type('agent', manifest.search.agent);
  }

  #changed(group: Group): Record<string, ParameterValue> {
    return Object.fromEntries(
      parameters[group].filter((parameter) => this.isChanged(parameter)).map((parameter) => [parameter.key, this.valueOf(parameter)]),
    );
  }
}

function wholeProblem(label: string, text: string, least: number, most: number): string | null {
  if (text === '') return null; // a default takes its place
  const value = parseNumber(text);
  if (Number.isInteger(value) && value >= least && value <= most) return null;
  return `${label}: expected a whole number from ${String(least)} to ${String(most)}, found ${text.trim() === '' ? 'nothing' : `“${text}”`}.`;
}
