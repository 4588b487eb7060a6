/** The geometry of the graph view: what is asked of the layout, and where the view stands. Lengths are CSS pixels at scale 1. */

export interface LayoutQuestion {
  readonly nodes: readonly { readonly id: string; readonly width: number; readonly height: number }[];
  readonly edges: readonly (readonly [from: string, to: string])[];
}
export interface Placed {
  readonly id: string;
  readonly x: number; // left
  readonly y: number; // top
  readonly width: number;
  readonly height: number;
}
export interface LayoutAnswer {
  readonly nodes: readonly Placed[];
  readonly edges: readonly (readonly { readonly x: number; readonly y: number }[])[];
}

/** A point p of the layout stands at (p - origin) * scale of the view. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly scale: number;
}

const scaleBounds = [0.02, 4] as const;

/** The view zoomed by a factor, with the point under (px, py) where it is. */
export function zoomed(view: View, factor: number, px: number, py: number): View {
  const scale = Math.min(scaleBounds[1], Math.max(scaleBounds[0], view.scale * factor));
  return { x: view.x + px / view.scale - px / scale, y: view.y + py / view.scale - py / scale, scale };
}

/** The view moved by so many pixels of the screen. */
export function panned(view: View, dx: number, dy: number): View {
  return { ...view, x: view.x + dx / view.scale, y: view.y + dy / view.scale };
}

/** The part of a view of (width, height) that shows the whole layout, centred; never larger than life. */
export function fitted(nodes: readonly Placed[], width: number, height: number): View {
  if (nodes.length === 0) return { x: 0, y: 0, scale: 1 };
  const [left, top] = [Math.min(...nodes.map((node) => node.x)), Math.min(...nodes.map((node) => node.y))];
  const right = Math.max(...nodes.map((node) => node.x + node.width));
  const bottom = Math.max(...nodes.map((node) => node.y + node.height));
  const margin = 16;
  const wanted = Math.min((width - 2 * margin) / (right - left), (height - 2 * margin) / (bottom - top), 1);
  const scale = Math.max(scaleBounds[0], wanted);
  return { x: (left + right - width / scale) / 2, y: (top + bottom - height / scale) / 2, scale };
}

/** The view that has a node in its middle, at its scale or large enough to read. */
export function centred(view: View, node: Placed, width: number, height: number): View {
  const scale = Math.max(view.scale, 0.8);
  return { x: node.x + node.width / 2 - width / scale / 2, y: node.y + node.height / 2 - height / scale / 2, scale };
}

/** Whether a box touches the part that is seen. */
export function isSeen(view: View, box: Omit<Placed, 'id'>, width: number, height: number): boolean {
  return (
    box.x + box.width >= view.x &&
    box.x <= view.x + width / view.scale &&
    box.y + box.height >= view.y &&
    box.y <= view.y + height / view.scale
  );
}
