/** Mounts the interface on a connection; the development entry does the same with an invented one. */
import { mount } from 'svelte';
import App from './App.svelte';
import type { Connection } from './lib/client/connection.ts';
import { AppState } from './lib/state/app.svelte.ts';

export function start(connection: Connection): void {
  const target = document.getElementById('app');
  if (target === null) throw new Error('index.html has no element #app');
  mount(App, { target, props: { app: new AppState(connection) } });
}
