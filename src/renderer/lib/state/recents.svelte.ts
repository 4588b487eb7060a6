/** What was looked at last: runs, networks, targets and the like, by their address. Kept in this browser. */
import { z } from 'zod';

const key = 'lathe.recents';
const kept = 8;
const places = {
  runs: 'run',
  networks: 'network',
  targets: 'target',
  tables: 'latency table',
  datasets: 'data set',
  studies: 'study',
} as const;

const recentSchema = z
  .array(z.object({ place: z.enum(['runs', 'networks', 'targets', 'tables', 'datasets', 'studies']), id: z.string() }))
  .max(kept);
export type Recent = z.infer<typeof recentSchema>[number];

export class Recents {
  items = $state.raw<readonly Recent[]>([]);

  constructor() {
    this.items = read();
  }

  /** Notes that this address is looked at, where it is one of a thing. */
  visit([place, id]: readonly string[]): void {
    if (id === undefined || id === '' || place === undefined || !Object.hasOwn(places, place)) return;
    const item = { place: place as Recent['place'], id };
    if (this.items[0]?.place === item.place && this.items[0].id === id) return;
    this.items = [item, ...this.items.filter((other) => other.place !== item.place || other.id !== id)].slice(0, kept);
    window.localStorage.setItem(key, JSON.stringify(this.items));
  }
}

/** `run`, `network`, ... */
export function kindOf(recent: Recent): string {
  return places[recent.place];
}

function read(): readonly Recent[] {
  try {
    return recentSchema.safeParse(JSON.parse(window.localStorage.getItem(key) ?? '[]')).data ?? [];
  } catch {
    return []; // not JSON: as good as none
  }
}
