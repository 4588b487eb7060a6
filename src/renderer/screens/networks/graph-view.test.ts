/** Zoom, pan and fit of the graph view, and pieces of an upload. */
import { describe, expect, it } from 'vitest';
import { centred, fitted, isSeen, panned, zoomed } from './graph-view.ts';
import { base64Of, piecesOf } from '../../lib/client/upload.ts';

const nodes = [
  { id: 'a', x: 0, y: 0, width: 100, height: 20 },
  { id: 'b', x: 300, y: 980, width: 100, height: 20 },
];

describe('the graph view', () => {
  it('keeps the point under the pointer while it zooms, within bounds', () => {
    const view = zoomed({ x: 10, y: 20, scale: 1 }, 2, 50, 60);
    expect([view.x + 50 / view.scale, view.y + 60 / view.scale, view.scale]).toEqual([60, 80, 2]);
    expect(zoomed(view, 1e9, 0, 0).scale).toBe(4);
    expect(zoomed(view, 1e-9, 0, 0).scale).toBe(0.02);
  });

  it('shows everything when it fits, and never larger than life', () => {
    const view = fitted(nodes, 800, 532);
    expect(view.scale).toBe(0.5);
    expect(nodes.every((node) => isSeen(view, node, 800, 532))).toBe(true);
    expect(fitted([{ id: 'a', x: 0, y: 0, width: 10, height: 10 }], 800, 500).scale).toBe(1);
    expect(fitted([], 800, 500)).toEqual({ x: 0, y: 0, scale: 1 });
  });

  it('leaves out what is not seen, and brings a node to the middle', () => {
    const view = centred({ x: 0, y: 0, scale: 0.1 }, { id: 'b', x: 300, y: 980, width: 100, height: 20 }, 200, 100);
    expect(view).toEqual({ x: 225, y: 927.5, scale: 0.8 });
    expect(nodes.map((node) => isSeen(view, node, 200, 100))).toEqual([false, true]);
    expect(panned(view, 80, -40)).toEqual({ x: 325, y: 877.5, scale: 0.8 });
  });
});

describe('an upload', () => {
  it('is cut into pieces that a message takes, none lost', () => {
    expect(piecesOf(0)).toEqual([{ from: 0, to: 0 }]);
    const pieces = piecesOf(1_300_000);
    expect(pieces.map(({ from, to }) => to - from)).toEqual([600_000, 600_000, 100_000]);
    expect(base64Of(new Uint8Array(600_000)).length).toBeLessThan(900_000);
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 251);
    expect(Uint8Array.from(atob(base64Of(bytes)), (character) => character.charCodeAt(0))).toEqual(bytes);
  });
});
