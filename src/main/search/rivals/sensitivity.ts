/**
 * How much worse a network becomes when one decision alone is lowered and all others stay at their most: measured for as many
 * choices as the trials allow, interpolated between.
 */
import { LatheError } from '../../../shared/errors.ts';
import type { Choices, DecisionProblem, Reading } from './problem.ts';

/** One measurement: this decision at this choice, all others at their most; `decision` null: all at their most. */
export interface Probe {
  readonly decision: number | null;
  readonly choice: number;
}

/** Share of a search's trials that measuring may take; the rest tries what follows from it. */
const measuringShare = 0.75;
/** What a loss counts at least when losses between two measured choices are interpolated on a logarithmic scale. */
const leastLoss = 1e-4;

/** Fewest trials of its own with which a search by sensitivity can measure every decision once. */
export function fewestTrials(decisions: number): number {
  return Math.ceil((decisions + 1) / measuringShare);
}

/**
 * What to measure within `trials`: the top, then of every decision the same choices, spread evenly and the least one among them.
 * Throws LatheError bad-input where not even one choice a decision fits.
 */
export function planProbes(problem: DecisionProblem, trials: number): Probe[] {
  const { decisions } = problem;
  const lowerChoices = Math.max(...decisions.map(({ choices }) => choices)) - 1;
  const levels = Math.min(lowerChoices, Math.floor((measuringShare * trials - 1) / decisions.length));
  if (levels < 1 && lowerChoices > 0) {
    throw new LatheError(
      'bad-input',
      `${String(trials)} trials besides the uniform policies: a search by sensitivity measures each of ${String(decisions.length)} decisions first and needs ${String(fewestTrials(decisions.length))}; give more trials`,
    );
  }
  const probes: Probe[] = [{ decision: null, choice: 0 }];
  for (let level = 0; level < levels; level += 1) {
    decisions.forEach(({ choices }, decision) => {
      const choice = Math.round((level * (choices - 1)) / levels);
      if (choice < choices - 1) probes.push({ decision, choice });
    });
  }
  return probes;
}

export function topChoices({ decisions }: DecisionProblem): number[] {
  return decisions.map(({ choices }) => choices - 1);
}

export function choicesOf(problem: DecisionProblem, { decision, choice }: Probe): number[] {
  const choices = topChoices(problem);
  if (decision !== null) choices[decision] = choice;
  return choices;
}

/**
 * The expected rise of the loss, a row a decision, an entry a choice; 0 at the top, never falling towards the least choice.
 * `readings` are those of `probes`, in order.
 */
export function lossTable(problem: DecisionProblem, probes: readonly Probe[], readings: readonly Reading[]): number[][] {
  const top = readings[0]?.loss ?? 0;
  return problem.decisions.map(({ choices }, decision) => {
    const known = new Map<number, number>([[choices - 1, 0]]);
    probes.forEach((probe, index) => {
      const reading = readings[index];
      if (probe.decision === decision && reading) known.set(probe.choice, Math.max(0, reading.loss - top));
    });
    const row: number[] = [];
    let above = { choice: choices - 1, loss: 0 };
    for (let choice = choices - 1; choice >= 0; choice -= 1) {
      const measured = known.get(choice);
      if (measured !== undefined) above = { choice, loss: Math.max(measured, above.loss) };
      row[choice] = measured === undefined ? between(known, above, choice) : above.loss;
    }
    return row;
  });
}

/** Logarithmic interpolation between the last measured choice above and the next one below. */
function between(known: ReadonlyMap<number, number>, above: { readonly choice: number; readonly loss: number }, choice: number): number {
  let below = choice - 1;
  while (below >= 0 && !known.has(below)) below -= 1;
  const belowLoss = Math.max(known.get(below) ?? above.loss, above.loss);
  const share = (above.choice - choice) / (above.choice - below);
  const log = (loss: number): number => Math.log(loss + leastLoss);
  return Math.exp(log(above.loss) + share * (log(belowLoss) - log(above.loss))) - leastLoss;
}

/** What a table expects of a policy. */
export function expectedLoss(table: readonly (readonly number[])[], choices: Choices): number {
  return choices.reduce((sum, choice, decision) => sum + (table[decision]?.[choice] ?? 0), 0);
}
