/** Where the user is: a hash route with a query, as in `#/runs/ab12?tab=log`. */

export interface Route {
  readonly path: readonly string[];
  readonly query: ReadonlyMap<string, string>;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a stray % typed by hand
  }
}

/** Reads `#/a/b?x=1`; whatever does not look like a route is the home screen. */
export function parseHash(hash: string): Route {
  const text = hash.startsWith('#/') ? hash.slice(2) : '';
  const mark = text.indexOf('?');
  const path = (mark < 0 ? text : text.slice(0, mark)).split('/').filter((part) => part !== '');
  const query = new Map(new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)));
  return { path: path.map(decode), query };
}

/** The inverse of `parseHash`. Entries with an empty value are left out. */
export function formatHash(path: readonly string[], query: Iterable<readonly [string, string]> = []): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of query) if (value !== '') parameters.set(key, value);
  const text = parameters.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

export class Router {
  route = $state.raw<Route>({ path: [], query: new Map() });

  constructor() {
    const read = (): void => {
      this.route = parseHash(window.location.hash);
    };
    read();
    window.addEventListener('hashchange', read);
  }

  go(path: readonly string[], query: Iterable<readonly [string, string]> = []): void {
    window.location.hash = formatHash(path, query);
  }

  /** Changes parts of the query in place, without an entry in the history. An empty value removes the part. */
  setQuery(changes: Readonly<Record<string, string>>): void {
    const query = new Map(this.route.query);
    for (const [key, value] of Object.entries(changes)) query.set(key, value);
    const hash = formatHash(this.route.path, query);
    if (hash === window.location.hash) return;
    window.history.replaceState(null, '', hash);
    this.route = parseHash(hash);
  }
}
