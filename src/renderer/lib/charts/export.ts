/** Hands what a chart or a table shows to the user as files. */

export { fileStem, toCsv, toJson, type Cell, type Tabular } from '../../../shared/tabular.ts';

/** Hands a file to the browser or to the window's save dialog. */
export function download(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function downloadText(name: string, type: string, text: string): void {
  download(name, new Blob([text], { type: `${type};charset=utf-8` }));
}

/** A file whose bytes came as base64. */
export function downloadBase64(name: string, base64: string): void {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  download(name, new Blob([bytes], { type: 'application/octet-stream' }));
}
