/**
 * What was published of HAQ: Han et al., "Design Automation for Efficient Deep Learning Computing", Tables 5 to 7. MobileNet-V1
 * and V2 on ImageNet; latencies leave out the first convolution and the classifier. The column "Cloud" of Table 6 holds
 * MobileNet-V2 on the edge accelerator (its rows are those of Table 7): it is named so here.
 */

/** Table 5: MobileNet-V1, milliseconds; policy for the row's target, cost on the column's: BitFusion, edge, cloud. */
export const publishedMatrix = [
  [16.29, 85.24, 117.44],
  [19.95, 64.29, 108.64],
  [19.94, 66.15, 99.68],
] as const;

export interface PublishedRow {
  readonly bits: string;
  readonly uniform: { readonly top1: number; readonly ms: number };
  readonly found: { readonly top1: number; readonly ms: number };
}

/** Table 6, column "Edge": MobileNet-V1 on the edge accelerator; 8 bits: 0.7082 at 96.20 ms. */
export const publishedV1Edge: readonly PublishedRow[] = [
  { bits: '4', uniform: { top1: 0.6244, ms: 45.45 }, found: { top1: 0.674, ms: 45.51 } },
  { bits: '5', uniform: { top1: 0.67, ms: 57.75 }, found: { top1: 0.7058, ms: 57.7 } },
  { bits: '6', uniform: { top1: 0.7046, ms: 70.67 }, found: { top1: 0.712, ms: 70.35 } },
];

/** Table 6, column "Cloud", and Table 7: MobileNet-V2 on the edge accelerator; 8 bits: 0.7181 at 115.84 ms. */
export const publishedV2Edge: readonly PublishedRow[] = [
  { bits: '4', uniform: { top1: 0.6139, ms: 52.15 }, found: { top1: 0.6699, ms: 52.12 } },
  { bits: '5', uniform: { top1: 0.6884, ms: 66.94 }, found: { top1: 0.709, ms: 66.92 } },
  { bits: '6', uniform: { top1: 0.7125, ms: 82.49 }, found: { top1: 0.7189, ms: 82.34 } },
];

/** Table 7: the policy of an agent that was trained on MobileNet-V1, on MobileNet-V2. */
export const publishedTransfer: readonly { readonly bits: string; readonly top1: number; readonly ms: number }[] = [
  { bits: '4', top1: 0.658, ms: 52.06 },
  { bits: '5', top1: 0.699, ms: 66.93 },
];
