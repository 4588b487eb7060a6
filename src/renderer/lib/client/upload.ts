/** A file in pieces that fit into a message. */
import type { Output } from '../../../shared/contract.ts';
import type { Connection } from './connection.ts';

const pieceBytes = 600_000; // 800,000 characters of base64; a message takes 900,000

/** Byte ranges of a file, in order; one empty range for an empty file, so that it is refused by what reads it. */
export function piecesOf(size: number): { from: number; to: number }[] {
  return Array.from({ length: Math.max(1, Math.ceil(size / pieceBytes)) }, (_, index) => ({
    from: index * pieceBytes,
    to: Math.min(size, (index + 1) * pieceBytes),
  }));
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let from = 0; from < bytes.length; from += 32_768) text += String.fromCharCode(...bytes.subarray(from, from + 32_768));
  return btoa(text);
}

/** Sends a file; `tell` hears how far it is. Resolves with the name under which calls take it. */
export async function uploadFile(client: Connection, file: File, tell: (progress: string) => void): Promise<string> {
  const { upload } = await client.call('upload.begin', { name: file.name });
  for (const { from, to } of piecesOf(file.size)) {
    tell(`${file.name}: ${String(Math.round((100 * from) / Math.max(1, file.size)))} % uploaded`);
    const bytes = new Uint8Array(await file.slice(from, to).arrayBuffer());
    await client.call('upload.continue', { upload, base64: base64Of(bytes) });
  }
  return upload;
}

/** Sends an .onnx file and has it imported. Rejects with the sentence of what is wrong with it. */
export async function importNetwork(client: Connection, file: File, tell: (progress: string) => void): Promise<Output<'network.import'>> {
  const upload = await uploadFile(client, file, tell);
  tell(`${file.name}: importing …`);
  return await client.call('network.import', { upload });
}

/** Has the run of a bundle taken: by its path in the window, uploaded from a browser. Rejects with the sentence of what is wrong with it. */
export async function openBundle(client: Connection, file: File, tell: (progress: string) => void): Promise<Output<'bundle.open'>> {
  const path = client.files?.pathOf(file) ?? '';
  const from = path === '' ? { upload: await uploadFile(client, file, tell) } : { path };
  tell(`${file.name}: opening …`);
  return await client.call('bundle.open', from);
}
