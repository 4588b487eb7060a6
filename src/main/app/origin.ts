/** The one place the window's page comes from. */

export const scheme = 'app';
export const host = 'lathe';
export const pageUrl = `${scheme}://${host}/index.html`;

/** Whether an address is of Lathe's own page. Node's URL knows no origin for schemes of one's own, so its parts are compared. */
export function isOwnUrl(address: string): boolean {
  const url = URL.parse(address);
  return url !== null && url.protocol === `${scheme}:` && url.host === host && url.username === '' && url.password === '';
}
