import { describe, expect, it } from 'vitest';
import { runColor, runLooks } from './run-look.ts';

const ids = Array.from({ length: 2000 }, (_, i) => `q-${i.toString(36).padStart(8, '2')}`);

describe('how a run is drawn', () => {
  it('has a colour that follows from the id alone, whatever else is shown', () => {
    expect(runColor('q-79upbxrw')).toBe(runColor('q-79upbxrw'));
    for (const id of ids.slice(0, 20)) {
      expect(runLooks(['q-other', id])[1]?.color).toBe(runColor(id));
      expect(runLooks([id])[0]?.color).toBe(runColor(id));
    }
  });

  it('uses all ten colours about equally, and never grey', () => {
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(runColor(id), (counts.get(runColor(id)) ?? 0) + 1);
    expect(counts.size).toBe(10);
    expect(counts.has('grey')).toBe(false);
    expect(Math.min(...counts.values())).toBeGreaterThan(120);
    expect(Math.max(...counts.values())).toBeLessThan(280);
  });

  it('never differs by colour alone among six, nor is the same for any of twenty', () => {
    for (let from = 0; from + 20 <= 400; from += 20) {
      const looks = runLooks(ids.slice(from, from + 20));
      expect(new Set(looks.map(({ color, dash }) => `${color} ${dash.join(' ')}`)).size).toBe(20);
      expect(new Set(looks.slice(0, 6).map(({ dash }) => dash.join(' '))).size).toBe(6);
    }
  });
});
