/** The runs that are compared: each read once and followed, whichever others are added or taken away. */
import type { LatheClient } from '../../../shared/contract.ts';
import type { RunDetail } from '../../../shared/run.ts';
import { runLooks, type RunLook } from '../../../shared/run-look.ts';
import { RunView } from '../../lib/state/run.svelte.ts';

/** A run that has been read, and how it is drawn. */
export interface ComparedRun {
  readonly id: string;
  readonly name: string;
  readonly look: RunLook;
  readonly detail: RunDetail;
  readonly view: RunView;
}

/** A trial of one of the runs, as it stands in the address: `RUN:STEP`. */
export interface ChosenTrial {
  readonly run: string;
  readonly step: number;
}

export class Comparison {
  readonly #client: LatheClient;
  views = $state.raw<readonly RunView[]>([]);

  constructor(client: LatheClient) {
    this.#client = client;
  }

  /** Those of the views that have been read, in order. */
  get runs(): readonly ComparedRun[] {
    const looks = runLooks(this.views.map(({ id }) => id));
    return this.views.flatMap((view, place) => {
      const { detail, id } = view;
      const look = looks[place];
      return detail === null || look === undefined ? [] : [{ id, name: view.summary?.name ?? id, look, detail, view }];
    });
  }

  /** Shows these runs, in this order. */
  show(ids: readonly string[]): void {
    const known = new Map(this.views.map((view) => [view.id, view]));
    const next = [...new Set(ids)].map((id) => {
      const view = known.get(id) ?? new RunView(this.#client, id);
      if (!known.delete(id)) void view.load();
      return view;
    });
    for (const view of known.values()) view.close();
    this.views = next;
  }

  /** Reads all again: events in between are missing. */
  reload(): void {
    for (const view of this.views) void view.load();
  }

  close(): void {
    this.show([]);
  }
}

/** The ids in an address: `a,b,c`. */
export function idsOf(text: string): string[] {
  return [...new Set(text.split(',').filter((id) => id !== ''))];
}

export function parseChosen(text: string): ChosenTrial | null {
  const match = /^(.+):(\d+)$/.exec(text);
  return match === null ? null : { run: match[1] ?? '', step: Number(match[2]) };
}

export function formatChosen({ run, step }: ChosenTrial): string {
  return `${run}:${String(step)}`;
}
