/** Bytes of valid files, changed at random: a network or one sentence each time. Thousands of them: test/long/onnx.test.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatheError } from '../../src/shared/errors.ts';
import { importOnnx } from '../../src/main/network/onnx/import.ts';
import { mutated } from '../support/mutate.ts';
import { smallClassifier } from '../../src/main/network/onnx/test-kit.ts';

describe('a file with changed bytes', () => {
  it('is a network or is refused in one sentence, quickly', () => {
    const bytes = smallClassifier();
    fc.assert(
      fc.property(mutated(bytes), (changed) => {
        const startMs = performance.now();
        try {
          expect(importOnnx('net.onnx', changed).graph.nodes.length).toBeGreaterThan(0);
        } catch (error) {
          if (!(error instanceof LatheError)) throw error;
          expect(error.code).toBe('bad-input');
          expect(error.message).not.toMatch(/\n/);
        }
        expect(performance.now() - startMs).toBeLessThan(5000);
      }),
      { numRuns: 500, seed: 1 },
    );
  });
});
