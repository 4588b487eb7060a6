import { beforeAll, describe, expect, it, vi } from 'vitest';
import { contextBridge, ipcRenderer } from '../../test/fakes/electron.ts';
import type { LatheEvent } from '../shared/contract.ts';
import type { LatheBridge } from '../shared/ipc.ts';

vi.mock('electron', () => import('../../test/fakes/electron.ts'));

let bridge: LatheBridge;
const rewound: LatheEvent = { name: 'run.rewound', payload: { id: 'r1' } };
const origin = { sender: ipcRenderer, ports: [] };

beforeAll(async () => {
  await import('./index.ts');
  bridge = contextBridge.exposed.get('lathe') as unknown as LatheBridge;
});

describe('the preload script', () => {
  it('gives the page exactly five functions, under one name', () => {
    expect([...contextBridge.exposed.keys()]).toEqual(['lathe']);
    expect(Object.entries(bridge).map(([name, value]) => [name, typeof value])).toEqual([
      ['call', 'function'],
      ['choosePath', 'function'],
      ['onCommand', 'function'],
      ['pathOf', 'function'],
      ['subscribe', 'function'],
    ]);
  });

  it('passes a call on over its one channel, with nothing but method and input, and returns the answer', async () => {
    ipcRenderer.answer = { ok: true, output: [1] };
    const call = bridge.call as (...args: unknown[]) => Promise<unknown>;
    expect(await call('run.list', {}, 'more', { channel: 'other' })).toEqual({ ok: true, output: [1] });
    expect(ipcRenderer.invoked).toEqual([{ channel: 'lathe:call', payload: { method: 'run.list', input: {} } }]);
  });

  it('asks for a path over its own channel, and tells where a dropped file lies', async () => {
    ipcRenderer.invoked.length = 0;
    ipcRenderer.answer = '/data/flowers';
    expect(await bridge.choosePath('folder')).toBe('/data/flowers');
    expect(ipcRenderer.invoked).toEqual([{ channel: 'lathe:choose', payload: 'folder' }]);
    expect(bridge.pathOf(new File([], 'flowers'))).toBe('/dropped/flowers');
  });

  it('asks for events with the first listener and ends with the last', () => {
    ipcRenderer.sent.length = 0;
    const heard: unknown[] = [];
    const listener = (event: LatheEvent): void => void heard.push(event);
    const [first, second] = [bridge.subscribe(listener), bridge.subscribe(listener)];
    expect(ipcRenderer.sent).toEqual([{ channel: 'lathe:follow', payload: true }]);
    ipcRenderer.emit('lathe:event', origin, rewound);
    expect(heard).toEqual([rewound, rewound]);
    first();
    first();
    expect(ipcRenderer.sent).toHaveLength(1);
    second();
    expect(ipcRenderer.sent.at(-1)).toEqual({ channel: 'lathe:follow', payload: false });
    ipcRenderer.emit('lathe:event', origin, rewound);
    expect(heard).toHaveLength(2);
  });

  it('hands on what was chosen in the menu, by its id alone, until the page has heard enough', () => {
    const heard: unknown[][] = [];
    const stop = bridge.onCommand((...args: unknown[]) => void heard.push(args));
    ipcRenderer.emit('lathe:command', origin, 'new-run');
    ipcRenderer.emit('lathe:command', origin, { id: 'new-run' });
    stop();
    ipcRenderer.emit('lathe:command', origin, 'go-runs');
    expect(heard).toEqual([['new-run']]);
  });

  it('hands a listener the event of the contract alone, never the one of Electron', () => {
    const heard: unknown[][] = [];
    const stop = bridge.subscribe((...args: unknown[]) => void heard.push(args));
    ipcRenderer.emit('lathe:event', origin, rewound);
    expect(heard).toEqual([[rewound]]);
    stop();
  });
});
