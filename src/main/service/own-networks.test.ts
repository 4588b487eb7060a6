import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDataDir, openService, removeDataDir, type TestService } from '../../../test/support/service.ts';
import { graphFromJson, graphFromText, graphSha256 } from '../network/graph-form.ts';
import { floats, modelBytes, node } from '../network/onnx/test-kit.ts';

/** 32 x 32 x 3 to 10 classes, as the generated data set has them. */
function classifier(): Uint8Array {
  return modelBytes({
    input: { dims: ['N', 3, 32, 32] },
    nodes: [
      node('Conv', 'x w', 'c', { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }, { name: 'conv' }),
      node('Relu', 'c', 'r', {}, { name: 'relu' }),
      node('Conv', 'r v', 'd', { kernel_shape: [1, 1] }, { name: 'point' }),
      node('GlobalAveragePool', 'd', 'p', {}, { name: 'pool' }),
      node('Flatten', 'p', 'f'),
      node('Gemm', 'f fw fb', 'y', { transB: 1 }, { name: 'fc' }),
    ],
    weights: { w: floats([8, 3, 3, 3]), v: floats([16, 8, 1, 1]), fw: floats([10, 16]), fb: floats([10]) },
  });
}

const folder = mkdtempSync(join(tmpdir(), 'lathe-networks-'));
const file = join(folder, 'My Net.onnx');
let test: TestService;

beforeAll(async () => {
  writeFileSync(file, classifier());
  test = await openService(await makeDataDir());
});
afterAll(async () => {
  await test.service.close();
  await removeDataDir(test.dataDir);
  rmSync(folder, { recursive: true, force: true });
});

describe('a network of the user', () => {
  it('is refused where it cannot be read, and nothing is kept', async () => {
    const bad = join(folder, 'bad.onnx');
    writeFileSync(bad, classifier().subarray(0, 500));
    await expect(test.service.call('network.import', { path: bad })).rejects.toMatchObject({ code: 'bad-input' });
    await expect(test.service.call('network.import', { path: join(folder, 'none.onnx') })).rejects.toMatchObject({ code: 'not-found' });
    await expect(test.service.call('network.import', { path: file, name: 'mobilenet-v1' })).rejects.toMatchObject({ code: 'conflict' });
    expect((await test.service.call('network.list', {})).filter(({ source }) => source.startsWith('imported'))).toEqual([]);
  });

  it('is imported under the name of its file, shown, simulated, and not imported twice under one name', async () => {
    const info = await test.service.call('network.import', { path: file });
    expect(info).toMatchObject({ id: 'my-net', inputShape: [32, 32, 3], classes: 10, params: 8 * 27 + 128 + 170, imported: { opset: 17 } });
    expect(await test.service.call('network.show', { network: { id: 'my-net' } })).toEqual(info);
    expect((await test.service.call('network.list', {}))[0]).toMatchObject({ id: 'my-net', source: 'imported from My Net.onnx' });
    await expect(test.service.call('network.import', { path: file, name: 'my-net' })).rejects.toMatchObject({ code: 'conflict' });
    const stored = await test.service.call('simulate', { network: { id: 'my-net' }, target: 'bismo-cloud' });
    const direct = await test.service.call('simulate', { network: { id: file }, target: 'bismo-cloud' });
    expect(direct.layers).toEqual(stored.layers);
    await expect(test.service.call('network.show', { network: { id: 'my-net', width: 0.5 } })).rejects.toThrow(/leave out its width/);
  });

  it('is written down as text and as JSON, which describe an equal graph', async () => {
    const { sha256 } = await test.service.call('network.show', { network: { id: 'my-net' } });
    const { text, json } = await test.service.call('network.text', { network: { id: 'my-net' } });
    expect(text).toContain('{ kind: linear, name: fc, input: pool, outFeatures: 10, bias: true }');
    expect([graphSha256(graphFromText(text)), graphSha256(graphFromJson(json))]).toEqual([sha256, sha256]);
    const { nodes, title } = await test.service.call('network.structure', { network: { id: file } });
    expect([title, nodes.length]).toEqual(['My Net.onnx, 32 x 32 x 3', 5]);
  });

  it('is not exported to where nothing can be written', async () => {
    const network = { id: 'my-net' };
    await expect(test.service.call('network.export', { network, path: folder })).rejects.toThrow(`${folder}: it is a folder, expected`);
    const path = join(folder, 'none', 'out.onnx');
    await expect(test.service.call('network.export', { network, path })).rejects.toThrow(`${path}: its folder does not exist`);
  });

  it('comes in pieces from a face without paths', async () => {
    const { upload } = await test.service.call('upload.begin', { name: 'piece.onnx' });
    const bytes = Buffer.from(classifier());
    await test.service.call('upload.continue', { upload, base64: bytes.subarray(0, 1000).toString('base64') });
    expect(await test.service.call('upload.continue', { upload, base64: bytes.subarray(1000).toString('base64') })).toEqual({
      bytes: bytes.length,
    });
    const info = await test.service.call('network.import', { upload });
    expect(info.sha256).toBe((await test.service.call('network.show', { network: { id: 'my-net' } })).sha256);
    await expect(test.service.call('network.import', { upload })).rejects.toMatchObject({ code: 'not-found' });
    const broken = await test.service.call('upload.begin', { name: 'mistaken.onnx' });
    await test.service.call('upload.continue', { ...broken, base64: btoa('not a network') });
    await expect(test.service.call('network.import', broken)).rejects.toThrow(/^mistaken\.onnx/);
  });

  it('is exported with its weights and its policy, and the file is checked', async () => {
    const path = join(folder, 'out.onnx');
    const plain = await test.service.call('network.export', { network: { id: 'my-net' }, path });
    expect(plain).toMatchObject({ path, opset: 17, notes: [], check: { images: 16, sameClass: 1 } });
    expect(plain.check.relativeDifference).toBeLessThan(1e-4);
    const layers = ['conv', 'point', 'fc'].map((name, at) => ({ name, weightBits: [8, 4, 5][at] ?? 8, activationBits: 8 }));
    const quantized = await test.service.call('network.export', { network: { id: 'my-net' }, path, policy: { kind: 'quantize', layers } });
    expect(quantized.opset).toBe(21);
    expect(quantized.check.relativeDifference).toBeLessThan(1e-4); // weights alone are quantized: nothing is rounded twice
    expect(quantized.notes.join('\n')).toMatch(
      /^3 layers have weights or activations of one bit, with a codebook, or without a measured range; .*conv, point, fc$/m,
    );
    expect(quantized.notes.join('\n')).toMatch(/^1 layers have bits that ONNX has no type for, .*: fc$/m);
    expect(readFileSync(path).includes('lathe.policy')).toBe(true);
    const back = await test.service.call('network.show', { network: { id: path } });
    expect(back.imported?.bits).toEqual([
      { name: 'conv', weightBits: 8, activationBits: null },
      { name: 'point', weightBits: 4, activationBits: null },
      { name: 'fc', weightBits: 8, activationBits: null }, // the codes of 5 bits
    ]);
  });

  it('trains from its own weights, and is exported with those of a run', { timeout: 300_000 }, async () => {
    const request = { method: 'train', network: { id: 'my-net' }, dataset: 'generated', training: { epochs: 0 }, threads: 2 } as const;
    const run = await test.service.call('run.create', request);
    await expect
      .poll(async () => (await test.service.call('run.show', { id: run.id })).summary.status, { timeout: 200_000 })
      .toBe('completed');
    const { manifest } = await test.service.call('run.show', { id: run.id });
    expect(manifest.initialWeights).toMatch(/^[0-9a-f]{64}$/);
    const path = join(folder, 'trained.onnx');
    const written = await test.service.call('network.export', { network: { id: 'my-net' }, path, weights: run.id });
    expect(written.check.relativeDifference).toBeLessThan(1e-4);
    expect(readFileSync(path).includes('lathe.inputMean')).toBe(true);
    const layers = ['conv', 'point', 'fc'].map((name) => ({ name, weightBits: 8, activationBits: 8 }));
    const quantized = await test.service.call('network.export', {
      network: { id: 'my-net' },
      path,
      weights: run.id,
      policy: { kind: 'quantize', layers },
    });
    expect(quantized.notes).toEqual([]); // the run's images gave the activations their ranges
    expect(quantized.check.relativeDifference).toBeLessThan(0.05); // a value on the edge of two codes falls to either side
    expect(quantized.check.sameClass).toBeGreaterThanOrEqual(0.9);
    const back = await test.service.call('network.show', { network: { id: path } });
    expect(back.imported?.bits).toEqual(layers);
    const widths = [8, 6, 5].map((weightBits, at) => ({ name: layers[at]?.name ?? '', weightBits, activationBits: [8, 4, 3][at] ?? 8 }));
    const policy = { kind: 'quantize', layers: widths } as const;
    const mixed = await test.service.call('network.export', { network: { id: 'my-net' }, path, weights: run.id, policy });
    expect(mixed.notes.join('\n')).toMatch(
      /^2 layers have bits that ONNX has no type for, .* they compute with these bits, .*: point, fc$/,
    );
    expect(mixed.check.relativeDifference).toBeLessThan(0.1);
    await expect(test.service.call('run.create', { ...request, network: { id: file } })).rejects.toThrow(/import the file first/);
    const zoo = { id: 'mobilenet-v1', width: 0.25 };
    await expect(test.service.call('run.create', { ...request, network: zoo })).rejects.toThrow(/has no weights of its own to start from/);
  });

  it('is removed; what a run needs of it stays', async () => {
    expect(await test.service.call('network.remove', { id: 'my-net' })).toEqual({ id: 'my-net' });
    await expect(test.service.call('network.show', { network: { id: 'my-net' } })).rejects.toMatchObject({ code: 'not-found' });
    await expect(test.service.call('network.remove', { id: 'mobilenet-v2' })).rejects.toMatchObject({ code: 'conflict' });
  });
});
