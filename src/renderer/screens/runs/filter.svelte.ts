/** The filter that is typed: understood as far as it goes, and what can come next. The grammar is fetched when there is one to read. */
import { runFieldNameSchema, runFields } from '../../../shared/filter/fields.ts';
import { predicateOf } from '../../../shared/filter/predicate.ts';
import type { RunSummary } from '../../../shared/run.ts';

export interface FilterProblem {
  readonly message: string;
  readonly offset: number; // in the text, from 0
  readonly length: number;
}

type Grammar = typeof import('../../../shared/filter/parse.ts');

let grammar = $state.raw<Grammar | null>(null);

/** Fetches the grammar, once; in good time before the first letter is typed. */
export function loadGrammar(): void {
  if (grammar !== null) return;
  void import('../../../shared/filter/parse.ts').then((module) => (grammar = module));
}

export type Understood =
  | { readonly kind: 'none' } // no filter
  | { readonly kind: 'reading' } // the grammar is on its way
  | { readonly kind: 'wrong'; readonly problem: FilterProblem }
  | { readonly kind: 'filter'; readonly holds: (run: RunSummary) => boolean };

/** To be called where its state is watched: it changes when the grammar has come. */
export function understand(text: string): Understood {
  if (text.trim() === '') return { kind: 'none' };
  if (grammar === null) {
    loadGrammar();
    return { kind: 'reading' };
  }
  try {
    const filter = grammar.parseFilter(text);
    return filter === null ? { kind: 'none' } : { kind: 'filter', holds: predicateOf(filter) };
  } catch (error) {
    if (!(error instanceof grammar.FilterError)) throw error;
    const { message, offset, length } = error;
    return { kind: 'wrong', problem: { message, offset, length } };
  }
}

export interface Completion {
  readonly text: string; // what is put in
  readonly about: string;
}

/** What the word before the caret can become: a field, or a value of the field that it is compared with. */
export function completionsOf(
  text: string,
  caret: number,
  runs: readonly RunSummary[],
): { readonly from: number; readonly choices: readonly Completion[] } {
  const before = text.slice(0, caret);
  const value = /(\w+)\s*(?:!?=|~|in\s*\((?:[^()]*,)?)\s*"?([^\s()",]*)$/i.exec(before);
  const field = value && runFieldNameSchema.options.find((name) => name.toLowerCase() === value[1]?.toLowerCase());
  if (field) {
    const typed = value[2] ?? '';
    return { from: caret - typed.length, choices: valuesOf(field, runs, typed) };
  }
  const typed = /[A-Za-z]+$/.exec(before)?.[0] ?? '';
  if (typed === '') return { from: caret, choices: [] };
  const choices = runFieldNameSchema.options
    .filter((name) => name.toLowerCase().startsWith(typed.toLowerCase()) && name !== typed)
    .map((name) => ({ text: name, about: runFields[name].about }));
  return { from: caret - typed.length, choices: choices.slice(0, 8) };
}

function valuesOf(name: keyof typeof runFields, runs: readonly RunSummary[], typed: string): Completion[] {
  const field = runFields[name];
  if (field.kind !== 'text' && field.kind !== 'list') return [];
  const counts = new Map<string, number>();
  for (const run of runs) {
    const found = field.read(run) ?? [];
    for (const value of typeof found === 'string' ? [found] : found) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return [...counts]
    .filter(([value]) => value !== '' && value !== typed && value.toLowerCase().startsWith(typed.toLowerCase()))
    .sort((a, b) => b[1] - a[1])
    .slice(0, 8)
    .map(([value, count]) => ({
      text: /^[\w.@:/+%-]+$/.test(value) ? value : JSON.stringify(value),
      about: `${String(count)} ${count === 1 ? 'run' : 'runs'}`,
    }));
}
