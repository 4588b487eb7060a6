/** A network's structure and the difference of two, as every face asks for them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { graphFromText, graphSha256 } from '../../src/main/network/graph-form.ts';
import type { TestService } from '../support/service.ts';
import { makeDataDir, openService, removeDataDir } from '../support/service.ts';

let dataDir = '';
let opened: TestService;
beforeAll(async () => {
  dataDir = await makeDataDir();
  opened = await openService(dataDir);
});
afterAll(async () => {
  await opened.service.close();
  await removeDataDir(dataDir);
});

describe('network.structure', () => {
  it('refuses a network that is not there', async () => {
    await expect(opened.service.call('network.structure', { network: { id: 'resnet50' } })).rejects.toThrow('did you mean resnet-50 or');
  });

  it('gives operators with their inputs, coupled channels, counts by convention and published figures', async () => {
    const structure = await opened.service.call('network.structure', { network: { id: 'proxyless-mobile' } });
    expect(structure.counts).toMatchObject({ layers: 320_427_584, operations: 640_855_168 });
    expect(structure.nodes.find(({ name }) => name === 'b3_add')?.inputs).toEqual(['b2_project_bn', 'b3_project_bn']);
    expect(structure.groups.find(({ name }) => name === 'b2_project')).toMatchObject({ units: 32, joints: ['b3_add'], locked: null });
    expect(structure.published[0]?.latencies?.map(({ ms }) => ms)).toEqual([7.2, 164.1, 78]);
  });

  it('fits the variant to a data set', async () => {
    const { nodes } = await opened.service.call('network.structure', { network: { id: 'resnet-18' }, dataset: 'generated' });
    expect(nodes.at(-1)?.outputShape).toEqual([10]);
    expect(nodes.some(({ name }) => name === 'maxpool')).toBe(false);
  });
});

describe('network.text', () => {
  it('refuses a network that is not there, and gives the variant that fits a data set', async () => {
    await expect(opened.service.call('network.text', { network: { id: 'resnet50' } })).rejects.toMatchObject({ code: 'not-found' });
    const { text } = await opened.service.call('network.text', { network: { id: 'resnet-18' }, dataset: 'generated' });
    const shown = await opened.service.call('network.show', { network: { id: 'resnet-18' }, dataset: 'generated' });
    expect(graphSha256(graphFromText(text))).toBe(shown.sha256);
  });
});

describe('network.diff', () => {
  it('tells two networks apart', async () => {
    const diff = await opened.service.call('network.diff', {
      first: { id: 'mobilenet-v2' },
      second: { id: 'mobilenet-v2-amc-70' },
    });
    expect(diff).toMatchObject({ first: expect.stringContaining('MobileNet-V2') as string, added: 0, removed: 0 });
    expect(diff.macs).toEqual([300_774_272, 210_620_528]);
    expect(diff.rows.find(({ name }) => name === 'last_1x1')?.details[0]).toBe('outChannels 1280 -> 848');
  });
});
