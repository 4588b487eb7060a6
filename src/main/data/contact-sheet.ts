/** Pictures of a data set to look at: some training images of one class in a row, or of all classes one below the other. */
import sharp, { type OverlayOptions } from 'sharp';
import { LatheError } from '../../shared/errors.ts';
import { Random } from '../../shared/random.ts';
import { readImages, type LabelledImages } from './images.ts';

/** Small images are enlarged by whole factors up to about this side, larger ones made smaller, so that a pixel stays a pixel. */
const tileSide = 64;
const largestTileSide = 96;
const gap = 4;
/** Most classes on one sheet. */
export const sheetClasses = 100;

export interface Strip {
  readonly png: Buffer;
  readonly tileHeight: number;
  readonly tileWidth: number;
  readonly gap: number;
  readonly indices: readonly number[]; // of the training images, from left to right
}

export interface Sheet {
  readonly png: Buffer;
  readonly width: number;
  readonly height: number;
  readonly classes: number; // shown
}

/** `count` training images of one class, the same at every call. Throws LatheError: bad-input for a class that is not there. */
export async function contactStrip(set: LabelledImages, label: number, count: number): Promise<Strip> {
  if (label >= set.classes) throw new LatheError('bad-input', `class ${label}: the data set has ${set.classes}, 0 to ${set.classes - 1}`);
  const tile = tileOf(set);
  const indices = choose(set.labels, label, count);
  const canvas = new Canvas(Math.max(1, indices.length) * (tile.width + gap) - gap, tile.height, 0);
  for (const [place, index] of indices.entries()) canvas.put(await drawTile(set, index, tile), tile, place * (tile.width + gap), 0);
  return { png: await canvas.png(), tileHeight: tile.height, tileWidth: tile.width, gap, indices };
}

/** A row of images for each class with its name in front; of very many classes the first ones. */
export async function contactSheet(set: LabelledImages, classNames: readonly string[], perClass: number): Promise<Sheet> {
  const tile = tileOf(set);
  const shown = Math.min(set.classes, sheetClasses);
  const nameWidth = 160;
  const margin = 8;
  const rowHeight = Math.max(tile.height, 20) + gap;
  const canvas = new Canvas(margin + nameWidth + perClass * (tile.width + gap) + margin - gap, 2 * margin + shown * rowHeight - gap, 0xff);
  const names: OverlayOptions[] = [];
  for (let label = 0; label < shown; label++) {
    const top = margin + label * rowHeight;
    const indices = choose(set.labels, label, perClass);
    for (const [place, index] of indices.entries()) {
      canvas.put(await drawTile(set, index, tile), tile, margin + nameWidth + place * (tile.width + gap), top);
    }
    names.push(await drawName(classNames[label] ?? String(label), nameWidth - margin, rowHeight - gap, margin, top));
  }
  return { png: await canvas.png(names), width: canvas.width, height: canvas.height, classes: shown };
}

interface Tile {
  readonly height: number;
  readonly width: number;
  readonly kernel: 'nearest' | 'lanczos3';
}

function tileOf({ height, width }: LabelledImages): Tile {
  const side = Math.max(height, width);
  const factor = side <= largestTileSide ? Math.max(1, Math.floor(tileSide / side)) : largestTileSide / side;
  return {
    height: Math.max(1, Math.round(height * factor)),
    width: Math.max(1, Math.round(width * factor)),
    kernel: factor >= 1 ? 'nearest' : 'lanczos3',
  };
}

/** Images of a class in random order that is always the same one. */
function choose(labels: Uint8Array, label: number, count: number): number[] {
  const all = [...labels.keys()].filter((index) => labels[index] === label);
  const order = Random.fromSeed(0)
    .derive(`preview ${String(label)}`)
    .shuffle(Uint32Array.from(all));
  return [...order.subarray(0, count)];
}

/** One image as the tile shows it, RGB. */
async function drawTile(set: LabelledImages, index: number, tile: Tile): Promise<Uint8Array> {
  const { height, width, channels } = set;
  const pixels = await readImages(set, index, 1);
  const rgb = channels === 3 ? pixels : toRgb(pixels, channels);
  return await sharp(rgb, { raw: { width, height, channels: 3 } })
    .resize(tile.width, tile.height, { fit: 'fill', kernel: tile.kernel })
    .raw()
    .toBuffer();
}

/** The first channel as grey, or the first three as colours. */
function toRgb(pixels: Uint8Array, channels: number): Uint8Array {
  const rgb = new Uint8Array((pixels.length / channels) * 3);
  for (let pixel = 0; pixel * channels < pixels.length; pixel++) {
    for (let c = 0; c < 3; c++) rgb[pixel * 3 + c] = pixels[pixel * channels + (channels >= 3 ? c : 0)] ?? 0;
  }
  return rgb;
}

async function drawName(name: string, width: number, height: number, left: number, top: number): Promise<OverlayOptions> {
  const escaped = name.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c] ?? c).replace(/\p{Cc}/gu, ' ');
  const text = await sharp({
    text: { text: `<span foreground="#333333">${escaped}</span>`, font: 'sans 10', rgba: true, dpi: 96, width, wrap: 'char' },
  })
    .png()
    .toBuffer({ resolveWithObject: true });
  const shown =
    text.info.height > height ? await sharp(text.data).extract({ left: 0, top: 0, width: text.info.width, height }).toBuffer() : text.data;
  return { input: shown, left, top: top + Math.max(0, Math.round((height - text.info.height) / 2)) };
}

/** RGBA to put tiles on, filled with one byte: 0 is clear, 255 is white. */
class Canvas {
  readonly width: number;
  readonly height: number;
  readonly #pixels: Buffer;

  constructor(width: number, height: number, fill: number) {
    this.width = width;
    this.height = height;
    this.#pixels = Buffer.alloc(width * height * 4, fill);
  }

  put(rgb: Uint8Array, { height, width }: Tile, left: number, top: number): void {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const from = (row * width + column) * 3;
        const to = ((top + row) * this.width + left + column) * 4;
        this.#pixels.set(rgb.subarray(from, from + 3), to);
        this.#pixels[to + 3] = 0xff;
      }
    }
  }

  async png(over: readonly OverlayOptions[] = []): Promise<Buffer> {
    const { width, height } = this;
    return await sharp(this.#pixels, { raw: { width, height, channels: 4 } })
      .composite([...over])
      .png()
      .toBuffer();
  }
}
