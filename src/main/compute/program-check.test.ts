/** Every way in which a program can be inconsistent, with its sentence. */
import { describe, expect, it } from 'vitest';
import type { NativeProgram } from './addon.ts';
import { checkProgram } from './program-check.ts';
import { tinyProgram } from './test-kit.ts';

/** The tiny program with fields of one operator changed. */
function changed(name: string, fields: Readonly<Record<string, unknown>>): NativeProgram {
  return { ...tinyProgram, ops: tinyProgram.ops.map((op) => (op.name === name ? { ...op, ...fields } : op)) };
}

/** The tiny program with fields of its own changed. */
function withFields(fields: Partial<NativeProgram>): NativeProgram {
  return { ...tinyProgram, ...fields };
}

describe('a program', () => {
  it('passes when it is consistent', () => {
    expect(() => checkProgram(tinyProgram)).not.toThrow();
  });

  it.each([
    [withFields({ inputShape: [0, 5, 2] }), 'inputShape[0] must be a whole number from 1 to 65536, found 0'],
    [withFields({ classes: 1 }), 'classes must be a whole number from 2 to 100000, found 1'],
    [withFields({ classes: 5 }), 'the last operator must give (1, 1, 5), one value a class, found (1, 1, 3)'],
    [withFields({ ops: [] }), 'ops must hold at least one operator, found none'],
    [changed('bn1', { name: 'conv' }), 'ops[1].name must be unique, found conv twice'],
    [changed('bn1', { output: 7 }), 'operator bn1: output must be tensor 2, found 7'],
    [changed('bn1', { input: 2 }), 'operator bn1: input must be a tensor that an earlier operator writes, found 2'],
    [changed('bn1', { channels: 6 }), 'operator bn1: channels must be 5, as its input has it, found 6'],
    [changed('bn1', { epsilon: 0 }), 'operator bn1: epsilon must be a finite number'],
    [changed('bn1', { momentum: 2 }), 'operator bn1: momentum must be a finite number from 0 to 1, found 2'],
    [changed('conv', { inChannels: 3 }), 'operator conv: inChannels must be 2, as its input has it, found 3'],
    [changed('conv', { kernel: [0, 3] }), 'operator conv: kernel[0] must be a whole number from 1 to 65536, found 0'],
    [changed('conv', { stride: [1, 1.5] }), 'operator conv: stride[1] must be a whole number from 1 to 65536, found 1.5'],
    [changed('conv', { padding: [1, 1, -1, 1] }), 'operator conv: padding[2] must be a whole number from 0 to 65536, found -1'],
    [changed('conv', { dilation: [1, 0] }), 'operator conv: dilation[1] must be a whole number from 1 to 65536, found 0'],
    [changed('conv', { dilation: [4, 1] }), 'operator conv: kernel must fit into the padded height of 8, found 9'],
    [changed('dw', { groups: 2 }), 'operator dw: groups must divide the 5 input channels and the 5 output channels, found 2'],
    [changed('dw', { kernel: [9, 9] }), 'operator dw: kernel must fit into the padded height of 8, found 9'],
    [changed('add', { inputs: [0, 8] }), 'operator add: its inputs must have one shape, found (6, 5, 2) and (6, 5, 5)'],
    [changed('fc', { inFeatures: 8 }), 'operator fc: inFeatures must be 7, as its input has it, found 8'],
    [changed('add', { inputs: [3, 3] }), 'operator bn3: its output must be read by a later operator, found none that does'],
  ])('is refused: %#', (program, sentence) => {
    expect(() => checkProgram(program)).toThrow(sentence);
    expect(() => checkProgram(program)).toThrow(expect.objectContaining({ code: 'bad-input' }));
  });
});
