/**
 * What was published of AMC: Han et al., "Design Automation for Efficient Deep Learning Computing", Tables 3 and 4. MobileNets on
 * ImageNet, fine-tuned for 150 epochs; latency of TFLite on a Pixel 1.
 */

export interface PublishedNetwork {
  readonly macs: number;
  readonly top1: number; // 0..1
  readonly ms: number;
  readonly speedUp: number | null;
}

/** Table 3, MobileNet-V1, by our row. */
export const publishedTable3: Readonly<Record<'whole' | 'uniform' | 'macs' | 'latency', PublishedNetwork>> = {
  whole: { macs: 569e6, top1: 0.706, ms: 123.3, speedUp: null },
  uniform: { macs: 325e6, top1: 0.684, ms: 72.3, speedUp: 1.71 }, // 0.75 MobileNet-V1
  macs: { macs: 285e6, top1: 0.705, ms: 68.3, speedUp: 1.81 },
  latency: { macs: 272e6, top1: 0.702, ms: 63.3, speedUp: 1.95 },
};

/** Table 4: share of the MACs, and the change of top-1 against the whole network, as fractions; of AMC and of uniform width. */
export interface PublishedChange {
  readonly share: number;
  readonly change: number;
}

export const publishedTable4: Readonly<Record<string, { readonly found: PublishedChange; readonly uniform: PublishedChange }>> = {
  'mobilenet-v1 0.5': { found: { share: 0.5, change: -0.004 }, uniform: { share: 0.56, change: -0.025 } },
  'mobilenet-v1 0.4': { found: { share: 0.4, change: -0.017 }, uniform: { share: 0.41, change: -0.037 } },
  'mobilenet-v2 0.7': { found: { share: 0.7, change: -0.01 }, uniform: { share: 0.7, change: -0.02 } },
};
