/** Folders of small images for tests: the generated set's shapes, brought to a size and encoded. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { generateShapes, generatedClassNames } from '../../src/main/data/generated.ts';

export interface ImageFolder {
  readonly perClass: number;
  readonly side: number; // pixels
  readonly format?: 'jpeg' | 'png' | 'webp';
  readonly classes?: number; // of the ten
}

const filesAtOnce = 64;

/** Writes ROOT/CLASS/00000.jpg ...; the shapes come again, a little darker, where there are more images than shapes. */
export async function writeImageFolder(root: string, { perClass, side, format = 'jpeg', classes = 10 }: ImageFolder): Promise<void> {
  const { images, labels, height, width, channels } = generateShapes('train');
  const extension = format === 'jpeg' ? 'jpg' : format;
  for (const [label, name] of generatedClassNames.slice(0, classes).entries()) {
    await mkdir(join(root, name), { recursive: true });
    const own = [...labels.keys()].filter((index) => labels[index] === label);
    const write = async (place: number): Promise<void> => {
      const index = own[place % own.length] ?? 0;
      const darker = 1 - 0.04 * Math.floor(place / own.length);
      const pixels = images.slice(index * height * width * channels, (index + 1) * height * width * channels).map((byte) => byte * darker);
      const bytes = await sharp(pixels, { raw: { width, height, channels: 3 } })
        .resize(side, side)
        .toFormat(format)
        .toBuffer();
      await writeFile(join(root, name, `${String(place).padStart(5, '0')}.${extension}`), bytes);
    };
    for (let first = 0; first < perClass; first += filesAtOnce) {
      await Promise.all(Array.from({ length: Math.min(filesAtOnce, perClass - first) }, (_, offset) => write(first + offset)));
    }
  }
}
