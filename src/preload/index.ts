/** The window's preload script: gives the page five functions and nothing of Electron. Sandboxed, one bundle. */
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { LatheEvent } from '../shared/contract.ts';
import { ipcChannels, type CallResult, type LatheBridge } from '../shared/ipc.ts';

const listeners = new Set<(event: LatheEvent) => void>();

ipcRenderer.on(ipcChannels.event, (_origin, event: LatheEvent) => {
  for (const listener of [...listeners]) listener(event);
});

const bridge: LatheBridge = {
  call: (method, input) => ipcRenderer.invoke(ipcChannels.call, { method, input }) as Promise<CallResult>,
  choosePath: (kind) => ipcRenderer.invoke(ipcChannels.choose, kind) as Promise<string | null>,
  onCommand: (listener) => {
    const own = (_origin: unknown, id: unknown): void => {
      if (typeof id === 'string') listener(id);
    };
    ipcRenderer.on(ipcChannels.command, own);
    return () => {
      ipcRenderer.removeListener(ipcChannels.command, own);
    };
  },
  pathOf: (file) => webUtils.getPathForFile(file),
  subscribe: (listener) => {
    const own = (event: LatheEvent): void => listener(event); // its own, so that one listener may subscribe twice
    listeners.add(own);
    if (listeners.size === 1) ipcRenderer.send(ipcChannels.follow, true);
    return () => {
      if (listeners.delete(own) && listeners.size === 0) ipcRenderer.send(ipcChannels.follow, false);
    };
  },
};

contextBridge.exposeInMainWorld('lathe', bridge);
