/**
 * The IDX format of the MNIST family (Y. LeCun, "The MNIST database", file formats): two zero bytes, a type, the number of
 * dimensions, each dimension as a big-endian 32-bit integer, then the values. Lathe reads unsigned bytes. The file may be
 * gzipped, which is told by its content. No length in it is believed before it is checked against the file and the caps.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { LatheError } from '../../shared/errors.ts';
import { describeFileError } from './file-errors.ts';

export interface IdxFile {
  readonly dimensions: readonly number[];
  readonly values: Uint8Array; // the first dimension varies slowest; empty where they were only checked
  readonly headerBytes: number; // in front of the values
  readonly isGzip: boolean;
  readonly sha256: string; // of the unpacked file, header included
}

export interface IdxOptions {
  /** How many dimensions the file may have, and what it is called in an error. */
  readonly expect: 'images' | 'labels';
  /** Most bytes of values that are kept in memory; default `maximumIdxBytes`. */
  readonly maximumBytes?: number;
  /** A plain file with more bytes of values than this is checked and hashed, and its values are left where they are. Default: none is. */
  readonly keepBelowBytes?: number;
  readonly signal?: AbortSignal;
}

/** 1 GiB: 350,000 colour images of 32 x 32, or 20 times Fashion-MNIST. */
export const maximumIdxBytes = 2 ** 30;

const unsignedByte = 0x08;
const typeNames: Readonly<Record<number, string>> = {
  0x09: 'signed bytes',
  0x0b: '16-bit integers',
  0x0c: '32-bit integers',
  0x0d: '32-bit floats',
  0x0e: '64-bit floats',
};
const expectedDimensions = { images: [3, 4], labels: [1] } as const;
const dimensionNames = { images: '3 dimensions (count, height, width) or 4 (and channels)', labels: '1 dimension (count)' } as const;

/**
 * Reads a whole file. Throws LatheError bad-input (not-found when there is no such file) with one sentence that begins with the
 * path: what was expected and what was found.
 */
export async function readIdx(path: string, options: IdxOptions): Promise<IdxFile> {
  const { isGzip, sizeBytes } = await inspect(path);
  const reader = new IdxReader(path, options, isGzip ? null : sizeBytes);
  const file = createReadStream(path, { signal: options.signal });
  try {
    if (isGzip) await drain(unpacked(file), reader);
    else await drain(file, reader);
  } catch (error) {
    throw describeReadError(path, error, reader);
  } finally {
    file.destroy();
  }
  return reader.finish();
}

function unpacked(file: Readable): Readable {
  const gunzip = createGunzip();
  file.on('error', (error) => gunzip.destroy(error));
  return file.pipe(gunzip);
}

async function drain(stream: Readable, reader: IdxReader): Promise<void> {
  // Leaving the loop by an error destroys the stream: a file that unpacks to more than its header says is not unpacked further.
  for await (const chunk of stream as AsyncIterable<Buffer>) reader.push(chunk);
}

async function inspect(path: string): Promise<{ isGzip: boolean; sizeBytes: number }> {
  try {
    const handle = await open(path, 'r');
    try {
      const { bytesRead, buffer } = await handle.read(new Uint8Array(2), 0, 2, 0);
      return { isGzip: bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b, sizeBytes: (await handle.stat()).size };
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw describeFileError(path, error);
  }
}

function describeReadError(path: string, error: unknown, reader: IdxReader): Error {
  if (error instanceof LatheError) return error;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ABORT_ERR') return new LatheError('cancelled', `${path}: reading was stopped on request`);
  if (code === 'Z_BUF_ERROR')
    return new LatheError('bad-input', `${path}: truncated: the gzip data end early, after ${reader.describeFound()}`);
  if (typeof code === 'string' && code.startsWith('Z_')) {
    return new LatheError('bad-input', `${path}: damaged: gzip reports '${error instanceof Error ? error.message : code}'`);
  }
  return describeFileError(path, error);
}

/** Takes a file piece by piece: the header first, then the values into an array of the size that the header tells. */
class IdxReader {
  readonly #path: string;
  readonly #options: IdxOptions;
  readonly #sizeBytes: number | null; // of the unpacked file, where it is known beforehand
  readonly #hash = createHash('sha256');
  #header: Uint8Array = new Uint8Array(0);
  #body: {
    readonly dimensions: readonly number[];
    readonly headerBytes: number;
    readonly length: number;
    readonly values: Uint8Array | null;
  } | null = null;
  #found = 0; // bytes taken

  constructor(path: string, options: IdxOptions, sizeBytes: number | null) {
    this.#path = path;
    this.#options = options;
    this.#sizeBytes = sizeBytes;
  }

  push(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#found += chunk.length;
    if (this.#body) {
      this.#take(chunk);
      return;
    }
    this.#header = Buffer.concat([this.#header, chunk]);
    const dimensions = this.#parseHeader();
    if (dimensions === null) return;
    const headerBytes = 4 + 4 * dimensions.length;
    const length = this.#checkSize(dimensions, headerBytes);
    this.#body = { dimensions, headerBytes, length, values: this.#isKept(length) ? new Uint8Array(length) : null };
    const rest = this.#header.subarray(headerBytes);
    this.#header = new Uint8Array(0);
    this.#take(rest);
  }

  finish(): IdxFile {
    if (!this.#body) throw this.#error(`not an IDX file: it ends inside its header, after ${bytes(this.#found)}`);
    const { dimensions, headerBytes, length, values } = this.#body;
    if (this.#found < headerBytes + length) throw this.#wrongLength('truncated', dimensions, headerBytes + length, thousands(this.#found));
    const isGzip = this.#sizeBytes === null;
    return { dimensions, values: values ?? new Uint8Array(0), headerBytes, isGzip, sha256: this.#hash.digest('hex') };
  }

  /** How far the file was read, for a sentence. */
  describeFound(): string {
    const expected = this.#body ? ` of ${thousands(this.#body.headerBytes + this.#body.length)}` : '';
    return `${thousands(this.#found)}${expected} bytes`;
  }

  #take(chunk: Uint8Array): void {
    if (!this.#body) return;
    const { dimensions, headerBytes, length, values } = this.#body;
    const offset = this.#found - chunk.length - headerBytes;
    if (offset + chunk.length > length) throw this.#wrongLength('too long', dimensions, headerBytes + length, 'more');
    values?.set(chunk, offset);
  }

  #isKept(length: number): boolean {
    return this.#sizeBytes === null || length <= (this.#options.keepBelowBytes ?? Number.POSITIVE_INFINITY);
  }

  /** The dimensions; null while the header is not there as a whole. */
  #parseHeader(): number[] | null {
    const header = this.#header;
    if (header.length < 4) return null;
    const [zero, alsoZero, type = 0, count = 0] = header;
    if (zero !== 0 || alsoZero !== 0 || (type !== unsignedByte && typeNames[type] === undefined)) {
      throw this.#error(`not an IDX file: expected it to begin with the bytes 00 00 08, found ${hex(header.subarray(0, 3))}`);
    }
    if (type !== unsignedByte)
      throw this.#error(
        `its values are ${typeNames[type] ?? 'of another type'} (type 0x${hex([type])}); Lathe reads unsigned bytes (0x08)`,
      );
    const { expect } = this.#options;
    if (!(expectedDimensions[expect] as readonly number[]).includes(count)) {
      const hint = expectedDimensions[expect === 'images' ? 'labels' : 'images'].some((other) => other === count);
      const other = expect === 'images' ? 'labels' : 'images';
      throw this.#error(
        `expected ${expect}, ${dimensionNames[expect]}; found ${count}${hint ? `: this looks like a file of ${other}` : ''}`,
      );
    }
    if (header.length < 4 + 4 * count) return null;
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
    return Array.from({ length: count }, (_, i) => view.getUint32(4 + 4 * i, false));
  }

  /** Bytes of the values. */
  #checkSize(dimensions: readonly number[], headerBytes: number): number {
    const shape = dimensions.join(' x ');
    if (dimensions.includes(0)) throw this.#error(`it holds nothing: its dimensions are ${shape}`);
    const length = dimensions.reduce((product, dimension) => product * dimension, 1);
    const most = this.#options.maximumBytes ?? maximumIdxBytes;
    if (length > most && this.#isKept(length))
      throw this.#error(`${shape} are ${thousands(length)} bytes, more than the ${thousands(most)} that Lathe keeps in memory`);
    const expected = headerBytes + length;
    if (this.#sizeBytes !== null && this.#sizeBytes !== expected) {
      throw this.#wrongLength(this.#sizeBytes < expected ? 'truncated' : 'too long', dimensions, expected, thousands(this.#sizeBytes));
    }
    return length;
  }

  #wrongLength(what: string, dimensions: readonly number[], expected: number, found: string): LatheError {
    return this.#error(`${what}: expected ${bytes(expected)} for ${dimensions.join(' x ')}, found ${found}`);
  }

  #error(message: string): LatheError {
    return new LatheError('bad-input', `${this.#path}: ${message}`);
  }
}

function thousands(value: number): string {
  return value.toLocaleString('en-US');
}

function bytes(value: number): string {
  return `${thousands(value)} ${value === 1 ? 'byte' : 'bytes'}`;
}

function hex(values: ArrayLike<number>): string {
  return Array.from(values, (value) => value.toString(16).toUpperCase().padStart(2, '0')).join(' ');
}
