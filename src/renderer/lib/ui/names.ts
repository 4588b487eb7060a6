/** Names as they fit into a line. */

/** A network's title without its input and classes: `MobileNet-V1 x0.25` of `MobileNet-V1 x0.25, 32 x 32 x 3, 10 classes`. */
export function shortTitle(title: string): string {
  return title.split(',', 1)[0] ?? title;
}
