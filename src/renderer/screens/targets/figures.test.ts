/** The form's logic: what the schema says of a draft, and what an edit does to sources and trust. */
import { describe, expect, it } from 'vitest';
import bitfusion from '../../../../resources/targets/bitfusion.json' with { type: 'json' };
import v100 from '../../../../resources/targets/v100-roofline.json' with { type: 'json' };
import { check, figureGroups, sourceOf, valueAt, withFigure } from './figures.ts';

describe('a target in a form', () => {
  it('says what is wrong by the figure’s path', () => {
    const { problems } = check(withFigure(withFigure(bitfusion, 'clockMhz', 0), 'array.rows', 'many'));
    expect([...(problems?.keys() ?? [])].sort()).toEqual(['array.rows', 'clockMhz']);
  });

  it('marks an edited figure as set by hand and the target as not calibrated', () => {
    const { target } = check(withFigure(bitfusion, 'memory.dramBitsPerCycle', 256));
    if (target === null) throw new Error('expected a target');
    expect(valueAt(target, 'memory.dramBitsPerCycle')).toBe(256);
    expect(sourceOf(target, 'memory.dramBitsPerCycle')).toBe('set by hand');
    expect(sourceOf(target, 'clockMhz')).toBe('bf_e_conf.ini: 500 MHz');
    expect(target.calibration).toBe('not calibrated');
    expect(bitfusion.memory.dramBitsPerCycle).toBe(192); // the original stays
  });

  it('shows a value for every figure, also within lists', () => {
    for (const file of [bitfusion, v100]) {
      const { target } = check(file);
      if (target === null) throw new Error('expected a target');
      for (const { figures } of figureGroups(target))
        for (const figure of figures) expect([figure.path, valueAt(target, figure.path)]).not.toContain(undefined);
    }
    const { target } = check(withFigure(v100, 'precisions.0.macsPerCycle', 5));
    expect(valueAt(target, 'precisions.0.macsPerCycle')).toBe(5);
  });
});
