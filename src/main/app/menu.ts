/** The application menu: the system's own roles, and the papers that the searches come from. */
import { Menu, type MenuItemConstructorOptions } from 'electron';
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
