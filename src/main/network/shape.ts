/** Shapes, windows and their words. A shape is (H, W, C) of one image, or (features). */

/** (H, W, C) or (features). */
export type Shape = readonly number[];
export type Pair = readonly [height: number, width: number];
export type Padding = readonly [top: number, left: number, bottom: number, right: number];

/** '32 x 32 x 1' for a person. */
export function describeShape(shape: Shape): string {
  return shape.length === 0 ? 'of nothing' : shape.join(' x ');
}

/** '3 x 3', '1 x 7'. */
export function describePair([height, width]: Pair): string {
  return `${height} x ${width}`;
}

/** The same above, left, below and right. */
export function evenPadding(vertical: number, horizontal = vertical): Padding {
  return [vertical, horizontal, vertical, horizontal];
}

export function product(values: readonly number[]): number {
  return values.reduce((result, value) => result * value, 1);
}
