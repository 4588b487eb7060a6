/** Every command of the interface, once: the palette, the shortcuts sheet, the keyboard and the window's menu read this list. */

export interface CommandInfo {
  readonly group: 'Go to' | 'Do';
  readonly label: string;
  /** One key, or two typed one after the other: `g r`. Empty: palette and menu only. */
  readonly keys: string;
}

export const commandInfos = {
  'go-runs': { group: 'Go to', label: 'Runs', keys: 'g r' },
  'go-archive': { group: 'Go to', label: 'Archived runs', keys: 'g a' },
  'go-trash': { group: 'Go to', label: 'Runs in the trash', keys: '' },
  'go-compare': { group: 'Go to', label: 'Compare', keys: 'g c' },
  'go-studies': { group: 'Go to', label: 'Studies', keys: 'g u' },
  'go-networks': { group: 'Go to', label: 'Networks', keys: 'g n' },
  'go-targets': { group: 'Go to', label: 'Targets', keys: 'g t' },
  'go-tables': { group: 'Go to', label: 'Latency tables', keys: 'g l' },
  'go-datasets': { group: 'Go to', label: 'Data sets', keys: 'g d' },
  'go-workers': { group: 'Go to', label: 'Workers', keys: 'g w' },
  'go-system': { group: 'Go to', label: 'Settings', keys: 'g s' },
  'new-run': { group: 'Do', label: 'New run', keys: 'n' },
  'open-file': { group: 'Do', label: 'Open a file: network, latency table, target, policy or bundle', keys: 'o' },
  'compare-chosen': { group: 'Do', label: 'Compare the chosen runs', keys: 'c' },
  'export-bundle': { group: 'Do', label: 'Export a bundle of this run, or of each chosen run', keys: '' },
  filter: { group: 'Do', label: 'Filter the table', keys: '/' },
  theme: { group: 'Do', label: 'Next theme: system, light, dark', keys: '' },
  shortcuts: { group: 'Do', label: 'Keyboard shortcuts', keys: '?' },
} as const satisfies Record<string, CommandInfo>;
export type CommandId = keyof typeof commandInfos;

export function isCommandId(text: string): text is CommandId {
  return Object.hasOwn(commandInfos, text);
}
