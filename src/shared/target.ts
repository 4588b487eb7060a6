/**
 * Hardware targets: one array law with its figures, as JSON. A file says where each figure is from: `source` for the target as a
 * whole, `sources` for single figures by their path, as `array.rows`. What is not known is null or absent, never 0.
 */
import { z } from 'zod';
import { LatheError } from './errors.ts';
import { maximumKeyLength, tableSchemeSchema } from './latency-table.ts';
import { bitsSchema, maximumBits } from './policy.ts';

const count = (most = 1_000_000_000): z.ZodInt => z.int().min(1).max(most);
const side = count(65_536);

/** pJ a bit. */
const accessSchema = z.strictObject({ readPjPerBit: z.number().positive(), writePjPerBit: z.number().positive() });

/** What moving and multiplying costs, from one technology. Sources differ by a factor of 2 to 10: compare within one only. */
export const energySchema = z.strictObject({
  technology: z.string().min(1), // as '45 nm'
  source: z.string().min(1),
  compute: z.discriminatedUnion('per', [
    z.strictObject({ per: z.literal('mac'), pj: z.number().positive() }), // one multiply-accumulate
    z.strictObject({ per: z.literal('cycle'), pj: z.number().positive() }), // a cycle in which the array works
  ]),
  weightBuffer: accessSchema,
  inputBuffer: accessSchema,
  outputBuffer: accessSchema,
  dramPjPerBit: z.number().positive(),
});
export type Energy = z.infer<typeof energySchema>;

export const calibrationSchema = z.enum(['exact', 'documented', 'not calibrated']);

const common = {
  formatVersion: z.literal(1),
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and dashes')
    .max(64),
  title: z.string().min(1).max(200),
  source: z.string().min(1),
  sources: z.record(z.string(), z.string().min(1)).optional(), // by the figure's path
  calibration: calibrationSchema, // how far to trust it
  clockMhz: z.number().positive().max(100_000),
  defaultBatch: count(4096),
  area: z
    .strictObject({ mm2: z.number().positive(), source: z.string().min(1) })
    .nullable()
    .optional(), // absent or null: unknown
};

/** Three double-buffered buffers (a tile may fill half of one) and one bus to the memory. */
const memorySchema = z.strictObject({
  weightBufferBytes: count(),
  inputBufferBytes: count(),
  outputBufferBytes: count(),
  dramBitsPerCycle: count(1_000_000),
  sumBits: count(64), // of a partial sum
  latencySlack: z.number().min(0).max(1), // a tiling may take this part more cycles than the fastest if it moves less
});
export type TargetMemory = z.infer<typeof memorySchema>;

/** Where multipliers have a fixed width: are narrower operands packed in buffers and memory, or stored at that width? */
const fixedArray = { rows: side, columns: side, operandBits: z.int().min(maximumBits).max(64), storage: z.enum(['packed', 'operand']) };

export const systolicTargetSchema = z.strictObject({
  ...common,
  law: z.literal('systolic'),
  dataflow: z.enum(['output-stationary', 'weight-stationary', 'input-stationary']),
  array: z.strictObject(fixedArray),
  memory: memorySchema,
  energy: energySchema.nullable(),
});

export const rowStationaryTargetSchema = z.strictObject({
  ...common,
  law: z.literal('row-stationary'),
  array: z.strictObject(fixedArray),
  memory: memorySchema,
  energy: z.null(), // what its register files take is not modelled
});

export const bitfusionTargetSchema = z
  .strictObject({
    ...common,
    law: z.literal('bitfusion'),
    // 'compatible': the authors' simulator; 'requantize': outputs leave at the activations' bits, with depthwise and groups
    mode: z.enum(['requantize', 'compatible']),
    array: z.strictObject({
      rows: side, // N: input positions
      columns: side, // M: output channels
      maximumBits: z.literal(8), // of a whole fusion unit
      minimumBits: z.int().min(1).max(8), // of its smallest part
    }),
    memory: memorySchema,
    energy: energySchema.nullable(),
  })
  .refine((target) => target.mode === 'requantize' || target.energy !== null, {
    path: ['energy'],
    message: "the mode 'compatible' needs an energy table: it chooses its tiles by energy too",
  });

export const bismoTargetSchema = z.strictObject({
  ...common,
  law: z.literal('bismo'),
  array: z.strictObject({
    rows: count(4096), // Dm: pixels
    columns: count(4096), // Dn: output channels
    wordBits: count(1 << 20), // Dk
  }),
  weightBufferWords: count(2 ** 31),
  activationBufferWords: count(2 ** 31),
  depthwiseGroupChannels: count(4096),
  energy: z.null(), // this law has no energy model
});

export const bismoStagesTargetSchema = z.strictObject({
  ...common,
  law: z.literal('bismo-stages'),
  array: z.strictObject({ rows: count(4096), columns: count(4096), wordBits: count(1 << 20) }),
  leftEntries: count(1 << 24), // words of each row's memory
  rightEntries: count(1 << 24), // words of each column's memory
  regions: count(1024), // into which fetch and execute share them
  portBitsPerCycle: count(1 << 20), // one port, both ways
  sumBits: count(64),
  depthwiseGroupChannels: count(4096),
  energy: z.null(),
});

export const rooflineTargetSchema = z
  .strictObject({
    ...common,
    law: z.literal('roofline'),
    // operands up to these bits are stored and multiplied at this width; ascending
    precisions: z
      .array(z.strictObject({ operandBits: count(64), macsPerCycle: z.number().positive().max(1e12) }))
      .min(1)
      .max(16),
    dramBitsPerCycle: z.number().positive().max(1e12),
    energy: z.null(),
  })
  .refine((target) => target.precisions.every((p, i) => i === 0 || p.operandBits > (target.precisions[i - 1]?.operandBits ?? 0)), {
    path: ['precisions'],
    message: 'expected ascending operandBits',
  })
  .refine((target) => (target.precisions.at(-1)?.operandBits ?? 0) >= maximumBits, {
    path: ['precisions'],
    message: `expected one of at least ${String(maximumBits)} bits`,
  });

/** Most keys of a table that becomes a target: the target carries them. */
export const maximumTargetKeys = 20_000;

/** A device known by its latency table alone: float networks, no bits, no energy. It carries the latencies, so that a run can be repeated when the table has changed. */
export const tableTargetSchema = z.strictObject({
  formatVersion: common.formatVersion,
  id: common.id,
  title: common.title,
  source: common.source,
  sources: common.sources,
  calibration: z.enum(['imported', 'simulated', 'measured']), // how the table came to be
  defaultBatch: common.defaultBatch, // the only one
  law: z.literal('table'),
  scheme: tableSchemeSchema.exclude(['layers']),
  threads: count(1024).nullable(), // null: not told
  table: z.strictObject({ id: z.string(), sha256: z.string() }), // as it was
  latencyMs: z
    .record(z.string().max(maximumKeyLength), z.number().nonnegative())
    .refine((latencies) => Object.keys(latencies).length <= maximumTargetKeys, `expected at most ${String(maximumTargetKeys)} keys`),
  energy: z.null(),
});
export type TableTarget = z.infer<typeof tableTargetSchema>;

export const targetSchema = z.discriminatedUnion('law', [
  systolicTargetSchema,
  rowStationaryTargetSchema,
  bitfusionTargetSchema,
  bismoTargetSchema,
  bismoStagesTargetSchema,
  rooflineTargetSchema,
  tableTargetSchema,
]);
export type Target = z.infer<typeof targetSchema>;
/** One with an array law, which Lathe simulates at any bits. */
export type SimulatedTarget = Exclude<Target, TableTarget>;
export type Law = Target['law'];

/** Throws LatheError bad-input for a latency table, saying what it cannot do. */
export function requireSimulated(target: Target, what: string): SimulatedTarget {
  if (target.law !== 'table') return target;
  throw new LatheError(
    'bad-input',
    `target ${target.id} is a latency table of float networks: it has no ${what}; choose a simulated target, as bismo-cloud`,
  );
}

export const lawLabels = {
  systolic: 'systolic array',
  'row-stationary': 'row-stationary array',
  bitfusion: 'BitFusion',
  bismo: 'BISMO, bit-serial',
  'bismo-stages': 'BISMO, by its stages',
  roofline: 'roofline',
  table: 'latency table',
} as const satisfies Record<Law, string>;

export const targetInfoSchema = z.object({ target: targetSchema, sha256: z.string(), builtIn: z.boolean() });
export type TargetInfo = z.infer<typeof targetInfoSchema>;

/** Bits a cycle that the memory gives at most, over all channels. */
export function memoryBitsPerCycle(target: SimulatedTarget): number {
  switch (target.law) {
    case 'systolic':
    case 'row-stationary':
    case 'bitfusion':
      return target.memory.dramBitsPerCycle;
    case 'bismo':
      return 2 * target.array.wordBits; // a channel for each operand
    case 'bismo-stages':
      return target.portBitsPerCycle;
    case 'roofline':
      return target.dramBitsPerCycle;
  }
}

/** What asks for a simulation's layer: its name and bits. */
export const layerQuestionSchema = z.object({ layer: z.string().min(1), weightBits: bitsSchema, activationBits: bitsSchema });
