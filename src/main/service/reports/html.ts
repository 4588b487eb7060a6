/** HTML as text: values are escaped where they are put in, parts are not escaped twice. */

/** A piece of HTML that is safe to put into another. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type Part = Html | string | number | null | undefined | readonly Part[];

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** A template: what is not HTML already is escaped; null and undefined are nothing. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return new Html(strings.reduce((text, string, i) => `${text}${textOf(parts[i - 1])}${string}`));
}

function textOf(part: Part): string {
  if (part === null || part === undefined) return '';
  if (part instanceof Html) return part.text;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map(textOf).join('');
}

export interface HtmlTable {
  readonly head: readonly Part[];
  readonly rows: readonly (readonly Part[])[];
  readonly numbers?: readonly number[]; // columns that are aligned right
}

/** A table whose first column names its rows. */
export function table({ head, rows, numbers = [] }: HtmlTable): Html {
  const kind = (column: number): Html => new Html(numbers.includes(column) ? ' class="number"' : '');
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${head.map((cell, i) => html`<th scope="col" ${kind(i)}>${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, i) => (i === 0 ? html`<th scope="row">${cell}</th>` : html`<td${kind(i)}>${cell}</td>`))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}
