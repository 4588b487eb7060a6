/** Short messages in the corner: what failed, or what was done and can be undone. */

export interface ToastAction {
  readonly label: string;
  readonly run: () => void;
}

export interface Toast {
  readonly id: number;
  readonly kind: 'error' | 'info';
  readonly text: string;
  readonly action: ToastAction | null;
}

const infoMs = 6000;

export class Toasts {
  items = $state.raw<readonly Toast[]>([]);
  #nextId = 0;

  /** Errors stay until they are closed; the same sentence is not shown twice. */
  error(text: string): void {
    if (this.items.some((item) => item.kind === 'error' && item.text === text)) return;
    this.#add('error', text, null);
  }

  info(text: string, action: ToastAction | null = null): void {
    const id = this.#add('info', text, action);
    setTimeout(() => this.close(id), infoMs);
  }

  close(id: number): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  #add(kind: Toast['kind'], text: string, action: ToastAction | null): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.items = [...this.items.slice(-4), { id, kind, text, action }];
    return id;
  }
}
