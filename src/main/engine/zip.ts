/** A zip file that is read entry by entry: yauzl with promises. It refuses names that lead out of a folder, and more bytes than were told. */
import { open, type Entry, type ZipFile as RawZip } from 'yauzl';

export type { Entry };

export interface ZipFile {
  readonly entryCount: number;
  entries(): AsyncGenerator<Entry>;
  read(entry: Entry): Promise<Buffer>;
  close(): void;
}

export async function openZip(path: string): Promise<ZipFile> {
  const zip = await new Promise<RawZip>((resolve, reject) => {
    open(path, { lazyEntries: true, autoClose: false, strictFileNames: true, validateEntrySizes: true }, (error, file) =>
      error ? reject(error) : resolve(file),
    );
  });
  return {
    entryCount: zip.entryCount,
    entries: () => entriesOf(zip),
    read: (entry) => readEntry(zip, entry),
    close: () => zip.close(),
  };
}

async function* entriesOf(zip: RawZip): AsyncGenerator<Entry> {
  for (;;) {
    const entry = await new Promise<Entry | null>((resolve, reject) => {
      const listeners = {
        entry: (found: Entry) => settle(() => resolve(found)),
        end: () => settle(() => resolve(null)),
        error: (error: Error) => settle(() => reject(error)),
      };
      const settle = (then: () => void): void => {
        zip.off('entry', listeners.entry);
        zip.off('end', listeners.end);
        zip.off('error', listeners.error);
        then();
      };
      zip.on('entry', listeners.entry);
      zip.on('end', listeners.end);
      zip.on('error', listeners.error);
      zip.readEntry();
    });
    if (entry === null) return;
    yield entry;
  }
}

async function readEntry(zip: RawZip, entry: Entry): Promise<Buffer> {
  const stream = await new Promise<NodeJS.ReadableStream>((resolve, reject) => {
    zip.openReadStream(entry, (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}
