/** Light, dark, or as the system has it; kept in this browser. */

export type ThemeChoice = 'system' | 'light' | 'dark';

const key = 'lathe.theme';
const order = ['system', 'light', 'dark'] as const satisfies readonly ThemeChoice[];

export class Theme {
  choice = $state<ThemeChoice>('system');
  #systemIsDark = $state(false);
  readonly resolved = $derived<'light' | 'dark'>(this.choice === 'system' ? (this.#systemIsDark ? 'dark' : 'light') : this.choice);

  constructor() {
    const stored = window.localStorage.getItem(key);
    this.choice = order.find((choice) => choice === stored) ?? 'system';
    const system = window.matchMedia('(prefers-color-scheme: dark)');
    this.#systemIsDark = system.matches;
    system.addEventListener('change', () => {
      this.#systemIsDark = system.matches;
      this.#apply();
    });
    this.#apply();
  }

  set(choice: ThemeChoice): void {
    this.choice = choice;
    window.localStorage.setItem(key, choice);
    this.#apply();
  }

  /** system, light, dark, system. */
  next(): void {
    this.set(order[(order.indexOf(this.choice) + 1) % order.length] ?? 'system');
  }

  #apply(): void {
    document.documentElement.dataset['theme'] = this.resolved;
  }
}
