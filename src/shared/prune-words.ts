/** What bounded a group in a pruning, in words: the same in the terminal and the window. */
import { fixed } from './format.ts';
import type { GroupDecision } from './prune.ts';

/** Series of what ONNX Runtime took for a network of a pruning, in ms; behind it the network's label. Figures of a machine, not of the result. */
export const runtimeSeries = 'machine/runtimeMs/';

/** Why the group got what it did; empty where it got what was asked. */
export function clipWords({ asked, kept, units, reason }: GroupDecision): string {
  const got = `asked ${fixed(asked, 2)}, allowed ${fixed(kept / units, 2)}`;
  switch (reason) {
    case 'asked':
      return '';
    case 'minimum':
      return `${got}: its smallest ratio`;
    case 'maximum':
      return `${got}: its largest ratio`;
    case 'later':
      return `${got}: later layers need the rest of the budget at their fewest channels`;
    case 'use':
      return `${got}: later layers could not use the budget up`;
  }
}
