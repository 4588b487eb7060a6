/** The application menu: the system's own roles, the commands of the interface, and the papers that the searches come from. */
import { BrowserWindow, Menu, type MenuItemConstructorOptions } from 'electron';
import { commandInfos, type CommandInfo } from '../../shared/commands.ts';
import { ipcChannels } from '../../shared/ipc.ts';
import { externalLinks, openLink } from './security.ts';

export function setMenu(log: (text: string) => void): void {
  const link = (label: string, address: string): MenuItemConstructorOptions => ({
    label,
    click: () => {
      openLink(address, log).catch((error: unknown) => log(`the system's browser did not open: ${String(error)}`));
    },
  });
  const template: MenuItemConstructorOptions[] = [
    ...(process.platform === 'darwin' ? [{ role: 'appMenu' } as const] : []),
    { role: 'fileMenu' },
    { role: 'editMenu' },
    { role: 'viewMenu' },
    { label: 'Go', submenu: commandsOf('Go to') },
    { label: 'Commands', submenu: commandsOf('Do') },
    { role: 'windowMenu' },
    {
      role: 'help',
      submenu: [
        link('Paper: ProxylessNAS (architecture)', externalLinks.proxylessnas),
        link('Paper: AMC (channels)', externalLinks.amc),
        link('Paper: HAQ (bit-widths)', externalLinks.haq),
      ],
    },
  ];
  Menu.setApplicationMenu(Menu.buildFromTemplate(template));
}

/** The page does them: it is told which. Their keys are the page's own, so they are said and not bound here. */
function commandsOf(group: CommandInfo['group']): MenuItemConstructorOptions[] {
  return Object.entries(commandInfos)
    .filter(([, info]) => info.group === group)
    .map(([id, { label, keys }]) => ({
      label: keys === '' ? label : `${label}  (${keys})`,
      click: () => BrowserWindow.getAllWindows()[0]?.webContents.send(ipcChannels.command, id),
    }));
}
