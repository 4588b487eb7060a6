/**
 * The array laws against figures of the simulators that define them: SCALE-Sim v3 (systolic arrays) and the authors' simulator of
 * BitFusion. docs/algorithms has the formulas.
 */
import { describe, expect, it } from 'vitest';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { createSimulator } from '../../src/main/compute/index.ts';
import { toNativeTarget } from '../../src/main/hardware/native.ts';
import { findTarget } from '../../src/main/hardware/targets.ts';
import { layerOf, rowOf } from '../../src/main/hardware/testing.ts';
import { absentNote, readReference, referenceFolder } from './reference.ts';

const number = z.coerce.number();

describe.skipIf(referenceFolder === null)(`systolic arrays, SCALE-Sim v3${absentNote}`, () => {
  const rowSchema = z.object({
    dataflow: z.enum(['os', 'ws', 'is']),
    layer: z.string(),
    rows: number,
    cols: number,
    ifmap_h: number,
    ifmap_w: number,
    filt_h: number,
    filt_w: number,
    channels: number,
    num_filters: number,
    stride_h: number,
    stride_w: number,
    ofmap_h: number,
    ofmap_w: number,
    total_cycles: number,
    sram_ifmap_reads: number,
    sram_filter_reads: number,
    sram_ofmap_writes: number,
  });

  it('are equal in cycles and buffer accesses on every row', () => {
    const rows = z.array(rowSchema).parse(parse(readReference('scalesim-layers.csv'), { columns: true }));
    expect(rows).toHaveLength(81);
    for (const row of rows) {
      const { target } = findTarget(`systolic-32x32-${row.dataflow}`);
      const simulator = createSimulator({ ...toNativeTarget(target), rows: row.rows, columns: row.cols, sumBits: 1 } as Parameters<
        typeof createSimulator
      >[0]);
      const layer = layerOf({
        inChannels: row.channels,
        outChannels: row.num_filters,
        kernelHeight: row.filt_h,
        kernelWidth: row.filt_w,
        strideHeight: row.stride_h,
        strideWidth: row.stride_w,
        inHeight: row.ifmap_h,
        inWidth: row.ifmap_w,
        outHeight: row.ofmap_h,
        outWidth: row.ofmap_w,
      });
      const array = simulator.array([layer], rowOf(1, 1), 1); // one bit a word: bits are words
      // The tool reports one cycle less than it counts lines, and for output stationary folds x (rows + cols) writes too many.
      const pixels = row.ofmap_h * row.ofmap_w;
      const surplus =
        row.dataflow === 'os' ? Math.ceil(pixels / row.rows) * Math.ceil(row.num_filters / row.cols) * (row.rows + row.cols) : 0;
      expect([
        row.layer,
        (array.cycles[0] ?? 0) - 1,
        array.inputBufferReadBits[0],
        array.weightBufferReadBits[0],
        (array.outputBufferWriteBits[0] ?? 0) + surplus,
      ]).toEqual([row.layer, row.total_cycles, row.sram_ifmap_reads, row.sram_filter_reads, row.sram_ofmap_writes]);
    }
  });
});

describe('systolic arrays, single figures', () => {
  it.each(['os', 'ws', 'is'] as const)(
    '%s: a fold costs what the tool counts, also on arrays and layers that it was not run on',
    (dataflow) => {
      const [rows, columns] = [5, 9];
      const layer = layerOf({
        inChannels: 7,
        outChannels: 11,
        kernelHeight: 3,
        kernelWidth: 2,
        outHeight: 4,
        outWidth: 6,
        inHeight: 6,
        inWidth: 7,
      });
      const { target } = findTarget(`systolic-32x32-${dataflow}`);
      const simulator = createSimulator({ ...toNativeTarget(target), rows, columns } as Parameters<typeof createSimulator>[0]);
      const [inner, pixels, outputs] = [42, 24, 11];
      const folds = { os: [5, 2], ws: [9, 2], is: [9, 3] } as const; // by hand: 24/5, 11/9; 42/5, 11/9; 42/5, 24/9
      const [down, across] = folds[dataflow];
      const length = { os: rows + columns + inner - 2, ws: 2 * rows + columns + pixels - 2, is: 2 * rows + columns + outputs - 2 }[
        dataflow
      ];
      expect(simulator.array([layer], rowOf(8, 8), 1).cycles[0]).toBe(down * across * length);
    },
  );
});

describe.skipIf(referenceFolder === null)(`BitFusion, compatible with the authors' simulator${absentNote}`, () => {
  const rowSchema = z.object({
    network: z.string(),
    layer: z.string(),
    B: number,
    I: number,
    O: number,
    K: number,
    S: number,
    IC: number,
    OC: number,
    act_bits: number,
    wgt_bits: number,
    im2col: number,
    cycles: number,
    mem_stall_cycles: number,
    dram_read_bits: number,
    dram_write_bits: number,
    wbuf_read_bits: number,
    wbuf_write_bits: number,
    ibuf_read_bits: number,
    ibuf_write_bits: number,
    obuf_read_bits: number,
    obuf_write_bits: number,
    energy_nJ: number,
  });

  it('is equal in cycles, stalls, traffic and buffer accesses on every row, in energy within 2e-4', () => {
    const rows = z.array(rowSchema).parse(parse(readReference('bitfusion-layers.csv'), { columns: true }));
    expect(rows).toHaveLength(29);
    const { target } = findTarget('bitfusion');
    if (target.law !== 'bitfusion') throw new Error(target.law);
    const simulator = createSimulator(toNativeTarget({ ...target, mode: 'compatible' }));
    for (const row of rows) {
      const layer = layerOf({
        first: row.im2col === 1,
        inChannels: row.IC,
        outChannels: row.OC,
        kernelHeight: row.K,
        kernelWidth: row.K,
        strideHeight: row.S,
        strideWidth: row.S,
        inHeight: row.I,
        inWidth: row.I,
        outHeight: row.O,
        outWidth: row.O,
      });
      const cost = simulator.run([layer], rowOf(row.wgt_bits, row.act_bits), row.B);
      const at = (column: Float64Array): number => column[0] ?? Number.NaN;
      expect({
        ...row,
        cycles: at(cost.cycles),
        mem_stall_cycles: at(cost.cycles) - at(cost.computeCycles),
        dram_read_bits: at(cost.weightBits) + at(cost.inputBits) + at(cost.partialBits),
        dram_write_bits: at(cost.outputBits),
        wbuf_read_bits: at(cost.weightBufferReadBits),
        wbuf_write_bits: at(cost.weightBufferWriteBits),
        ibuf_read_bits: at(cost.inputBufferReadBits),
        ibuf_write_bits: at(cost.inputBufferWriteBits),
        obuf_read_bits: at(cost.outputBufferReadBits),
        obuf_write_bits: at(cost.outputBufferWriteBits),
      }).toEqual(row);
      const energyNj = (at(cost.computePj) + at(cost.bufferPj) + at(cost.dramPj)) / 1000;
      expect(Math.abs(energyNj / row.energy_nJ - 1)).toBeLessThan(2e-4);
    }
  });

  it('refuses what the authors’ simulator does not know', () => {
    const { target } = findTarget('bitfusion');
    if (target.law !== 'bitfusion') throw new Error(target.law);
    const simulator = createSimulator(toNativeTarget({ ...target, mode: 'compatible' }));
    const depthwise = layerOf({ name: 'dw1', inChannels: 8, outChannels: 8, groups: 8, kernelHeight: 3, kernelWidth: 3 });
    expect(() => simulator.run([depthwise], rowOf(8, 8), 1)).toThrow(
      /^layer dw1: the authors' simulator of BitFusion has no depthwise .* choose the mode 'requantize'$/,
    );
  });
});
