/** Every command, once: the palette, the shortcuts sheet and the keyboard read the same list. */
import type { AppState } from '../state/app.svelte.ts';

export interface Command {
  readonly id: string;
  readonly group: 'Go to' | 'Do';
  readonly label: string;
  /** One key, or two typed one after the other: `g r`. Empty: palette only. */
  readonly keys: string;
  readonly run: () => void;
}

export function commandsOf(app: AppState): readonly Command[] {
  const go =
    (...path: string[]): (() => void) =>
    () =>
      app.router.go(path);
  return [
    { id: 'go-runs', group: 'Go to', label: 'Runs', keys: 'g r', run: go('runs') },
    { id: 'go-compare', group: 'Go to', label: 'Compare', keys: 'g c', run: go('compare') },
    { id: 'go-studies', group: 'Go to', label: 'Studies', keys: 'g u', run: go('studies') },
    { id: 'go-networks', group: 'Go to', label: 'Networks', keys: 'g n', run: go('networks') },
    { id: 'go-targets', group: 'Go to', label: 'Targets', keys: 'g t', run: go('targets') },
    { id: 'go-tables', group: 'Go to', label: 'Latency tables', keys: 'g l', run: go('tables') },
    { id: 'go-datasets', group: 'Go to', label: 'Data sets', keys: 'g d', run: go('datasets') },
    { id: 'go-system', group: 'Go to', label: 'System', keys: 'g s', run: go('system') },
    { id: 'new-run', group: 'Do', label: 'New run', keys: 'n', run: go('new') },
    { id: 'filter', group: 'Do', label: 'Filter the table', keys: '/', run: focusFilter },
    { id: 'theme', group: 'Do', label: 'Next theme: system, light, dark', keys: '', run: () => app.theme.next() },
    { id: 'shortcuts', group: 'Do', label: 'Keyboard shortcuts', keys: '?', run: () => (app.shortcutsOpen = true) },
  ];
}

function focusFilter(): void {
  const field = document.querySelector('input[type="search"]');
  if (field instanceof HTMLInputElement) field.focus();
}

/** True where typing is meant for the element itself. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    target.closest('input:not([type="checkbox"]):not([type="radio"]), textarea, select, [role="menu"], [role="dialog"]') !== null
  );
}

/** Recognises single keys and sequences of two within a second; pure but for the time that is passed in. */
export class KeySequence {
  #first = '';
  #atMs = 0;

  /** The command that this key completes, if any. */
  press(key: string, atMs: number, commands: readonly Command[]): Command | null {
    const pair = this.#first !== '' && atMs - this.#atMs < 1000 ? `${this.#first} ${key}` : '';
    this.#first = '';
    const found = commands.find((command) => command.keys !== '' && (command.keys === pair || (pair === '' && command.keys === key)));
    if (found) return found;
    if (commands.some((command) => command.keys.startsWith(`${key} `))) {
      this.#first = key;
      this.#atMs = atMs;
    }
    return null;
  }
}
