/** The points of compared runs that are weighed against one another, and the policy behind one. */
import { bitsOfTrial } from '../../../shared/compare.ts';
import { solutionCandidates, trialCandidates, type Candidate } from '../../../shared/objectives.ts';
import type { ComparedRun } from './comparison.svelte.ts';

export function candidatesOf(runs: readonly ComparedRun[], of: 'trials' | 'solutions'): Candidate[] {
  return runs.flatMap(({ id, view, detail }) => (of === 'trials' ? trialCandidates(id, view.trials) : solutionCandidates(detail)));
}

/** What a candidate decides, as the document that `--policy` and `--start` read; null where it decides no bits and no channels. */
export function policyOf(runs: readonly ComparedRun[], { run, step, label }: Candidate): unknown {
  const source = runs.find(({ id }) => id === run);
  if (!source) return null;
  if (step === null) {
    const solution = source.detail.solutions.find((one) => (one.role === 'best' ? 'found' : one.label) === label);
    return solution?.policy ?? (solution?.prune ? { kind: 'prune', groups: solution.prune.groups } : null);
  }
  const trial = source.view.trials.find((one) => one.step === step);
  if (!trial) return null;
  if (trial.prune) return { kind: 'prune', groups: trial.prune.groups };
  const layers = bitsOfTrial(source.detail, trial);
  return layers.length === 0 ? null : { kind: 'quantize', layers };
}
