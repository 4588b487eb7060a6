/** What the commands do, and the keys that they hear. What there is stands in shared/commands.ts. */
import { commandInfos, type CommandId, type CommandInfo } from '../../../shared/commands.ts';
import type { AppState } from '../state/app.svelte.ts';
import { canBundle, exportBundles } from '../state/bundles.ts';

export interface Command extends CommandInfo {
  readonly id: string;
  readonly run: () => void;
}

export function commandsOf(app: AppState): readonly Command[] {
  const go =
    (...path: string[]): (() => void) =>
    () =>
      app.router.go(path);
  const actions: Readonly<Record<CommandId, () => void>> = {
    'go-runs': go('runs'),
    'go-archive': () => app.router.go(['runs'], [['place', 'archive']]),
    'go-trash': () => app.router.go(['runs'], [['place', 'trash']]),
    'go-compare': go('compare'),
    'go-studies': go('studies'),
    'go-networks': go('networks'),
    'go-targets': go('targets'),
    'go-tables': go('tables'),
    'go-datasets': go('datasets'),
    'go-workers': go('workers'),
    'go-system': go('system'),
    'new-run': go('new'),
    'open-file': chooseFiles(app),
    'compare-chosen': () => app.router.go(['compare'], [['runs', [...app.selection.ids].join(',')]]),
    'export-bundle': () => exportShown(app),
    filter: focusFilter,
    theme: () => app.theme.next(),
    shortcuts: () => (app.shortcutsOpen = true),
  };
  return Object.entries(commandInfos).map(([id, info]) => ({ id, ...info, run: actions[id as CommandId] }));
}

/** Asks for files and takes them as if they were dropped. */
export function chooseFiles(app: AppState): () => void {
  return () => {
    const input = document.createElement('input');
    input.type = 'file';
    input.multiple = true;
    input.accept = '.onnx,.json,.csv,.yaml,.yml,.lathe';
    input.addEventListener('change', () => app.intake.takeAll(input.files ?? []));
    input.click();
  };
}

/** Of the run whose page is open, else of those that are chosen. */
function exportShown(app: AppState): void {
  const [place, id = ''] = app.router.route.path;
  const shown = place === 'runs' && id !== '' ? [id] : [...app.selection.ids];
  const runs = shown.flatMap((one) => app.runs.get(one) ?? []).filter(canBundle);
  if (runs.length > 0) void exportBundles(app, runs);
  else
    app.toasts.info(
      'A bundle is of a run that has ended: open its page, or choose runs in the list. Of a pipeline, its stages have one each.',
    );
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
