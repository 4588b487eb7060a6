/** What a network costs on a target, layer by layer; where it stands under the target's roof; and what is odd about it. */
import { z } from 'zod';
import { layerKindSchema } from './network.ts';

/** Joules by part. Unknown is null as a whole: a sum that leaves a part out would mislead. */
export const energyPartsSchema = z.object({ computeMj: z.number(), buffersMj: z.number(), dramMj: z.number() });
export type EnergyParts = z.infer<typeof energyPartsSchema>;

/** Bits over the memory's bus, by tensor. `partials`: unfinished sums, out and back. */
export const trafficSchema = z.object({ weights: z.number(), inputs: z.number(), partials: z.number(), outputs: z.number() });
export type Traffic = z.infer<typeof trafficSchema>;

export const loopOrders = ['POI', 'PIO', 'OPI', 'OIP', 'IPO', 'IOP'] as const;

/** How a layer was cut: sizes of a full tile, how many, and the order of the loops over them, outermost first (P pixels, O output, I input channels). */
export const tilingSchema = z.object({
  tiles: z.number(),
  order: z.enum(loopOrders),
  groups: z.number(),
  images: z.number(),
  rows: z.number(),
  columns: z.number(),
  inputs: z.number(),
  outputs: z.number(),
});
export type Tiling = z.infer<typeof tilingSchema>;

export const layerSimulationSchema = z.object({
  name: z.string(),
  kind: layerKindSchema,
  weightBits: z.number().int(),
  activationBits: z.number().int(),
  macs: z.number(), // of one image
  batchMacs: z.number(), // of all that the cycles are for
  cycles: z.number(), // of the whole batch, as all that follows
  computeCycles: z.number(),
  stallCycles: z.number(),
  stalls: trafficSchema, // cycles: the stall, shared out by traffic
  latencyMs: z.number(),
  dramBits: z.number(),
  traffic: trafficSchema,
  energyMj: z.number().nullable(),
  energy: energyPartsSchema.nullable(),
  utilization: z.number(), // of the array's peak at these bits, 0..1
  peakMacsPerCycle: z.number(), // at these bits
  tiling: tilingSchema.nullable(), // null: the law has none
});
export type LayerSimulation = z.infer<typeof layerSimulationSchema>;

/** A network's run on a target: totals over all layers, for the whole batch. */
export const simulationSchema = z.object({
  network: z.string(),
  target: z.string(),
  calibration: z.string(),
  batch: z.number().int().positive(),
  clockMhz: z.number(),
  dramBitsPerCycle: z.number(),
  areaMm2: z.number().nullable(),
  cycles: z.number(),
  computeCycles: z.number(),
  stallCycles: z.number(),
  latencyMs: z.number(),
  energyMj: z.number().nullable(),
  energy: energyPartsSchema.nullable(),
  dramBits: z.number(),
  traffic: trafficSchema,
  sizeBytes: z.number(),
  layers: z.array(layerSimulationSchema),
});
export type Simulation = z.infer<typeof simulationSchema>;

/** One layer of a network that a target does badly, with the figure that says so. */
export const findingSchema = z.object({
  layer: z.string(),
  rule: z.enum(['memory-bound', 'array-not-filled', 'bits-buy-nothing']),
  share: z.number(), // of the network's cycles, 0..1
  figures: z.record(z.string(), z.number()), // by name with unit
  message: z.string(),
});
export type Finding = z.infer<typeof findingSchema>;

/** Tiles of one layer on their way through load, compute and store; times in cycles since the layer began. */
export const timelineSchema = z.object({
  layer: z.string(),
  cycles: z.number(), // of the layer
  tiles: z.number(), // of the layer
  tiling: tilingSchema,
  steps: z.array(
    z.object({
      tile: z.number(),
      loadBegin: z.number(),
      weightLoad: z.number(), // cycles, then inputs, then partial sums
      inputLoad: z.number(),
      partialLoad: z.number(),
      computeBegin: z.number(),
      computeEnd: z.number(),
      storeBegin: z.number(),
      storeEnd: z.number(), // storeBegin: nothing is stored
      complete: z.boolean(), // what is stored is complete, not a partial sum
      macs: z.number(),
    }),
  ),
});
export type Timeline = z.infer<typeof timelineSchema>;
