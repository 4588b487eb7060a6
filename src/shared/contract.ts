/**
 * The one contract between faces and service: every call with the schema of its input and output, and every event.
 * Three transports carry it (Electron IPC, WebSocket on loopback, a direct call); the code behind is the same.
 * A new call is one entry here, one handler in `service/`, and one test.
 */
import { z } from 'zod';
import { backupInfoSchema, checkReportSchema, recoverySchema, sweepReportSchema } from './backup.ts';
import { crashIdSchema, crashInfoSchema } from './crash.ts';
import {
  addPathSchema,
  datasetIdSchema,
  datasetInfoSchema,
  datasetInspectionSchema,
  datasetProgressSchema,
  imageCacheSchema,
} from './dataset.ts';
import { folderListingSchema } from './files.ts';
import { given } from './given.ts';
import { evaluateRequestSchema, evaluationSchema } from './evaluate.ts';
import {
  coverageSchema,
  latencyEntrySchema,
  latencyTableInfoSchema,
  latencyUnitSchema,
  measuredNetworkSchema,
  operatorModelSchema,
  predictionSchema,
  tableAccuracySchema,
  tableFormatSchema,
  tableIdSchema,
  tableProgressSchema,
} from './latency-table.ts';
import {
  layerKindSchema,
  networkDiffSchema,
  networkExportSchema,
  networkIdSchema,
  networkInfoSchema,
  networkRefSchema,
  networkStructureSchema,
  networkTextSchema,
  networkSummarySchema,
} from './network.ts';
import { bitsSchema, budgetSchema, costSchema, quantizePolicySchema } from './policy.ts';
import { pruneParametersSchema } from './prune.ts';
import {
  agentInfoSchema,
  agentMethodSchema,
  metricSchema,
  whereSchema,
  quantizeParametersSchema,
  runCostSchema,
  runDetailSchema,
  runPlaceSchema,
  runRequestSchema,
  runSummarySchema,
  storedLogLineSchema,
  tagSchema,
  trainingParametersSchema,
  trialSchema,
} from './run.ts';
import { queueStatusSchema } from './queue.ts';
import { comparisonRequestSchema, studyDefinitionSchema, studyPresetSchema, studyReportSchema, studySummarySchema } from './study.ts';
import { findingSchema, simulationSchema, timelineSchema } from './simulation.ts';
import { searchSpaceSchema, spacePreviewSchema, spaceRefSchema } from './space.ts';
import { specializeParametersSchema } from './specialize.ts';
import { targetInfoSchema, targetSchema } from './target.ts';
import { runViewSchema, settingsSchema } from './view.ts';

export const contractVersion = 1;

export const doctorCheckSchema = z.object({
  name: z.string(),
  status: z.enum(['ok', 'missing', 'warning']),
  value: z.string(), // what was found
  advice: z.string().nullable(), // one sentence: what to do
});
export type DoctorCheck = z.infer<typeof doctorCheckSchema>;

const empty = z.object({}).strict();
const runIds = z.array(z.string().min(1)).min(1).max(100_000);
const runId = z.object({ id: z.string().min(1) }).strict();

/** A network on a target: what `simulate` and its kin are asked. */
const networkOnTarget = {
  network: networkRefSchema,
  dataset: z.string().optional(), // fits the network's variant to this data set
  target: z.string(),
  batch: z.number().int().min(1).max(4096).optional(),
};
/** What needs keys of a table: networks, and every candidate of search spaces. */
const keyedSubjects = {
  networks: z.array(networkRefSchema).max(100).default([]),
  spaces: z.array(spaceRefSchema).max(10).default([]),
  dataset: z.string().optional(),
};
const hasSubject = ({ networks, spaces }: { networks: unknown[]; spaces: unknown[] }): boolean => networks.length + spaces.length > 0;
const noSubject = 'expected at least one network or search space';
/** What stands in for keys that a table lacks; each such row is marked. */
const filling = z.enum(['none', 'interpolate', 'fit']).default('none');

const simulateInput = z
  .object({
    ...networkOnTarget,
    weightBits: bitsSchema.default(8),
    activationBits: bitsSchema.default(8),
    policy: quantizePolicySchema.optional(), // instead of uniform bits
  })
  .strict();

/** The cost of one uniform policy against the budget, known before anything runs. */
const uniformCostSchema = costSchema.extend({
  label: z.string(), // 'w4a4'
  weightBits: z.number().int(),
  activationBits: z.number().int(),
});

/** What a pruned network costs; latency and energy null without a target. Of 8 bits there, of 32-bit floats in bytes. */
const pruneCostSchema = costSchema.extend({ latencyMs: z.number().nonnegative().nullable(), params: z.number().nonnegative() });

export const contract = {
  'system.info': {
    input: empty,
    output: z.object({
      version: z.string(),
      contractVersion: z.number().int(),
      dataDir: z.string(),
      cores: z.number().int(),
      defaults: z.object({
        training: trainingParametersSchema,
        quantize: quantizeParametersSchema,
        prune: pruneParametersSchema,
        specialize: specializeParametersSchema,
      }),
    }),
  },
  'system.doctor': { input: empty, output: z.object({ ok: z.boolean(), checks: z.array(doctorCheckSchema) }) },

  // What ended unexpectedly. Reports stay in the data folder until the user hands one on or deletes it.
  'crash.list': { input: empty, output: z.array(crashInfoSchema) }, // the newest first
  'crash.show': { input: z.object({ id: crashIdSchema }).strict(), output: z.object({ fileName: z.string(), text: z.string() }) },
  'crash.remove': { input: z.object({ id: crashIdSchema }).strict(), output: z.object({ id: z.string() }) },

  // Copies of the data folder: what there is, and what became of a damaged or replaced database.
  'backup.list': {
    input: empty,
    output: z.object({
      folder: z.string(), // where they lie unless another folder is named
      automatic: z.boolean(), // whether this Lathe makes copies by itself
      backups: z.array(backupInfoSchema), // of that folder, the newest first
      recoveries: z.array(recoverySchema), // the newest first
      pending: z.string().nullable(), // the backup that the next start puts in place
      wasClean: z.boolean(), // how the last Lathe ended
    }),
  },
  'backup.make': { input: z.object({ folder: z.string().min(1).max(4096).optional() }).strict(), output: backupInfoSchema },
  'backup.restore': {
    // Checks a backup and has the next start put it in place, for nobody may have the database open then; null calls that off.
    input: z.object({ path: z.string().min(1).max(4096).nullable() }).strict(),
    output: z.object({ pending: z.string().nullable() }),
  },
  'backup.check': { input: empty, output: checkReportSchema }, // reads all of the database and of every blob
  'backup.sweep': { input: z.object({ dryRun: z.boolean().default(false) }).strict(), output: sweepReportSchema }, // blobs that nothing needs

  // The folders and files at a place on the machine that runs Lathe, for who chooses one in a browser.
  'files.list': { input: z.object({ path: z.string().max(4096).optional() }).strict(), output: folderListingSchema }, // default: the home folder

  'network.list': { input: empty, output: z.array(networkSummarySchema) },
  'network.show': { input: z.object({ network: networkRefSchema, dataset: z.string().optional() }).strict(), output: networkInfoSchema },
  'network.structure': {
    input: z.object({ network: networkRefSchema, dataset: z.string().optional() }).strict(),
    output: networkStructureSchema,
  },
  'network.text': {
    // The graph itself: its input and operators, from which all else follows. Both forms are read back to an equal graph.
    input: z.object({ network: networkRefSchema, dataset: z.string().optional() }).strict(),
    output: networkTextSchema,
  },
  'network.diff': {
    input: z.object({ first: networkRefSchema, second: networkRefSchema, dataset: z.string().optional() }).strict(),
    output: networkDiffSchema,
  },

  'network.import': {
    // An ONNX file by its path, or what was uploaded before.
    input: z
      .object({
        path: z.string().min(1).optional(),
        upload: z.string().optional(),
        name: networkIdSchema.optional(), // default: the file's
        inputSize: z.tuple([z.number().int().min(1).max(1024), z.number().int().min(1).max(1024)]).optional(), // height, width
        output: z.string().min(1).optional(), // which, of several
      })
      .strict()
      .refine(({ path, upload }) => (path === undefined) !== (upload === undefined), 'expected either a path or an upload'),
    output: networkInfoSchema,
  },
  'network.export': {
    input: z
      .object({
        network: networkRefSchema,
        path: z.string().min(1), // of the file to write
        weights: z.string().min(1).optional(), // a run, or the SHA-256 of weights; default: those that came with the network
        policy: quantizePolicySchema.optional(),
        found: z.boolean().default(false), // the quantized network that the run of `weights` found, as it was measured
      })
      .strict(),
    output: networkExportSchema,
  },
  'network.remove': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },
  'upload.begin': { input: z.object({ name: z.string().min(1).max(1000) }).strict(), output: z.object({ upload: z.string() }) },
  'upload.continue': {
    // The next piece, in order.
    input: z.object({ upload: z.string(), base64: z.string().max(900_000) }).strict(),
    output: z.object({ bytes: z.number().int() }), // so far
  },

  'target.list': { input: empty, output: z.array(targetInfoSchema) },
  'target.show': { input: z.object({ id: z.string() }).strict(), output: targetInfoSchema },
  'target.add': {
    // A target of the user's; one of the same id is replaced only where that is asked for.
    input: z.object({ target: targetSchema, replace: z.boolean().default(false) }).strict(),
    output: targetInfoSchema,
  },
  'target.validate': {
    // A target file's text: a sentence for every figure that is not as it should be.
    input: z.object({ text: z.string().max(1_000_000) }).strict(),
    output: z.object({ valid: z.boolean(), problems: z.array(z.string()), target: targetSchema.nullable() }),
  },
  'target.remove': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },

  'dataset.list': { input: empty, output: z.array(datasetInfoSchema) },
  'dataset.show': { input: z.object({ id: z.string() }).strict(), output: datasetInfoSchema },
  'dataset.add': {
    // `fashion-mnist` needs no files; an IDX set an id and its four files; `path` takes a folder or file as it lies. Answered when
    // all is added: `dataset.progress` tells how far it is, `dataset.cancel` stops it and leaves nothing behind.
    input: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('fashion-mnist') }).strict(),
      z
        .object({
          kind: z.literal('idx'),
          id: datasetIdSchema,
          trainImages: z.string(),
          trainLabels: z.string(),
          testImages: z.string(),
          testLabels: z.string(),
          classes: z.number().int().min(2).max(65_535).optional(), // default: the largest label + 1
        })
        .strict(),
      addPathSchema,
    ]),
    output: datasetInfoSchema,
  },
  'dataset.inspect': { input: addPathSchema.pick({ path: true, format: true }).strict(), output: datasetInspectionSchema }, // before it is added
  'dataset.adding': { input: empty, output: z.array(datasetProgressSchema) }, // what is being added by this Lathe
  'dataset.cancel': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },
  'dataset.samples': {
    // Training images of one class in a row, as a PNG.
    input: z.object({ id: z.string(), label: z.number().int().nonnegative(), count: z.number().int().min(1).max(64).default(12) }).strict(),
    output: z.object({
      png: z.string(), // base64
      tileHeight: z.number().int(),
      tileWidth: z.number().int(),
      gap: z.number().int(), // pixels between images
      indices: z.array(z.number().int()), // of the training images, from left to right
    }),
  },
  'dataset.sheet': {
    // A row of training images for each class with its name, as one PNG.
    input: z.object({ id: z.string(), perClass: z.number().int().min(1).max(64).default(10) }).strict(),
    output: z.object({ png: z.string(), width: z.number().int(), height: z.number().int(), classes: z.number().int() }),
  },
  'dataset.cache': {
    // The cache of decoded images; with a bound, sets it.
    input: z.object({ limitBytes: z.number().int().min(1_000_000).optional() }).strict(),
    output: imageCacheSchema,
  },
  'dataset.remove': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },

  simulate: { input: simulateInput, output: simulationSchema },
  'simulate.lint': { input: simulateInput, output: z.array(findingSchema) },
  'simulate.timeline': {
    input: z
      .object({
        ...networkOnTarget,
        layer: z.string().min(1),
        weightBits: bitsSchema.default(8),
        activationBits: bitsSchema.default(8),
        fromTile: z.number().int().min(0).max(50_000_000).default(0),
        tiles: z.number().int().min(1).max(2000).default(200),
      })
      .strict(),
    output: timelineSchema,
  },

  'table.list': { input: empty, output: z.array(latencyTableInfoSchema) },
  'table.show': {
    input: z.object({ id: z.string() }).strict(),
    output: z.object({ table: latencyTableInfoSchema, measured: z.array(measuredNetworkSchema) }),
  },
  'table.entries': {
    // Those whose key contains the filter, in the order of their keys.
    input: z
      .object({
        id: z.string(),
        filter: z.string().max(200).default(''),
        offset: z.number().int().nonnegative().default(0),
        limit: z.number().int().min(1).max(100_000).default(1000),
      })
      .strict(),
    output: z.object({ total: z.number().int(), entries: z.array(latencyEntrySchema) }),
  },
  'table.import': {
    // A file by its path, or a text as it was dropped; refused as a whole where a key or a value is not right.
    input: z
      .object({
        path: z.string().min(1).optional(),
        text: z.string().max(800_000).optional(),
        name: z.string().min(1).max(500).optional(), // of the file that the text is from
        format: tableFormatSchema.optional(), // default: by the file's name
        id: tableIdSchema.optional(), // default: the file's name
        title: z.string().min(1).max(200).optional(),
        device: z.record(z.string().max(50), z.string().max(500)).default({}),
        unit: latencyUnitSchema.default('ms'),
        batch: z.number().int().min(1).max(4096).default(1),
        threads: z.number().int().min(1).max(1024).optional(),
        replace: z.boolean().default(false),
      })
      .strict()
      .refine(({ path, text }) => (path === undefined) !== (text === undefined), 'expected either a path or a text'),
    output: latencyTableInfoSchema,
  },
  'table.export': {
    input: z.object({ id: z.string(), format: tableFormatSchema }).strict(),
    output: z.object({ fileName: z.string(), text: z.string() }),
  },
  'table.remove': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },
  'table.target': {
    // A target of the user's that carries the table's latencies as they are now.
    input: z
      .object({ id: z.string(), target: tableIdSchema, title: z.string().min(1).max(200).optional(), replace: z.boolean().default(false) })
      .strict(),
    output: targetInfoSchema,
  },
  'table.coverage': {
    input: z
      .object({ id: z.string(), ...keyedSubjects })
      .strict()
      .refine(hasSubject, noSubject),
    output: coverageSchema,
  },
  'table.predict': {
    // From a table as it is now, or from a target as it was made.
    input: z
      .object({
        table: z.string().optional(),
        target: z.string().optional(),
        network: networkRefSchema,
        dataset: z.string().optional(),
        filling,
        weightBits: bitsSchema.default(8), // of a table of layers at their bits
        activationBits: bitsSchema.default(8),
      })
      .strict()
      .refine(({ table, target }) => (table === undefined) !== (target === undefined), 'expected either a table or a target'),
    output: predictionSchema,
  },
  'table.accuracy': { input: z.object({ id: z.string() }).strict(), output: tableAccuracySchema },
  'table.build': {
    // Measures on this machine (targets host-cpu...) or simulates whatever keys the table lacks; answered when all is there.
    // `table.progress` tells how far it is, `table.cancel` stops it: what is there by then stays, and the same call goes on from it.
    input: z
      .object({
        ...keyedSubjects,
        target: z.string(),
        threads: z.number().int().min(1).max(256).default(1), // measured only
        batch: z.number().int().min(1).max(4096).optional(), // default: 1 measured, the target's simulated
        repeats: z.number().int().min(5).max(1000).default(20), // measured only
        weightBits: z.array(bitsSchema).min(1).max(8).default([8]), // simulated only: every pair of the two
        activationBits: z.array(bitsSchema).min(1).max(8).default([8]),
        again: z.boolean().default(false), // forget what is there, and begin anew
      })
      .strict()
      .refine(hasSubject, noSubject),
    output: z.object({ table: latencyTableInfoSchema, added: z.number().int(), reused: z.number().int(), target: z.string() }),
  },
  'table.building': { input: empty, output: z.array(tableProgressSchema) }, // by this Lathe
  'table.cancel': { input: z.object({ id: z.string() }).strict(), output: z.object({ id: z.string() }) },
  'table.fit': { input: z.object({ id: z.string() }).strict(), output: operatorModelSchema },

  /** Accuracy of trained weights at chosen bits, in float, fake-quantized or integer arithmetic. */
  evaluate: { input: evaluateRequestSchema, output: evaluationSchema },

  'run.preview': {
    // What a budget means before anything runs: the 8-bit cost, the least possible, the uniform policies in between.
    input: z
      .object({
        network: networkRefSchema,
        dataset: z.string(),
        target: z.string(),
        batch: z.number().int().min(1).max(4096).optional(),
        minimumBits: z.number().int().min(1).max(8).optional(),
        protectFirstAndLast: z.boolean().optional(),
      })
      .strict(),
    output: z.object({
      network: z.string(),
      batch: z.number().int(),
      reference: costSchema, // the 8-bit form
      least: costSchema, // every layer at its fewest bits
      uniform: z.array(uniformCostSchema), // w = a, 8 down to the fewest
    }),
  },
  /** Channels by the clip of the released AMC code, to compare with: of chains of layers alone. */
  'prune.compatible': {
    input: z
      .object({
        network: networkRefSchema,
        budget: z.number().positive().max(1), // of the multiply-accumulates
        lowerBound: z.number().positive().max(1), // of a ratio
        roundTo: z.number().int().min(1).max(1024),
        action: z.number().min(0).max(1), // ratio that is asked of every layer
      })
      .strict(),
    output: z.object({
      layers: z.array(z.object({ layer: z.string(), channels: z.number().int(), kept: z.number().int() })), // input channels
      ratio: z.number(),
    }),
  },
  'prune.preview': {
    // What a pruning could decide, and what its budgets mean, before anything runs. Refuses what cannot work.
    input: z
      .object({
        network: networkRefSchema,
        dataset: z.string(),
        target: z.string().optional(),
        batch: z.number().int().min(1).max(4096).optional(),
        budgets: z.array(budgetSchema).default([]),
        search: given(pruneParametersSchema).optional(),
      })
      .strict(),
    output: z.object({
      network: z.string(),
      limits: z.array(budgetSchema), // absolute
      whole: pruneCostSchema,
      fewest: pruneCostSchema, // every group at its fewest channels
      uniform: z.object({ ratio: z.number(), cost: pruneCostSchema }).nullable(), // the widest within the budgets
      groups: z.array(
        z.object({
          group: z.string(), // the first layer that writes its channels
          kind: layerKindSchema, // of the layer that reads them
          units: z.number().int(),
          minimum: z.number().int(),
          maximum: z.number().int(),
          joined: z.array(z.string()), // what ties several producers
        }),
      ),
    }),
  },
  'pipeline.preview': {
    // What a pipeline's budget is of: its reference on the target, in its 8-bit form (of a latency table in float).
    input: z
      .object({
        network: networkRefSchema,
        dataset: z.string(),
        target: z.string(),
        batch: z.number().int().min(1).max(4096).optional(),
      })
      .strict(),
    output: z.object({ batch: z.number().int(), reference: costSchema }),
  },
  'space.list': { input: empty, output: z.array(z.object({ space: searchSpaceSchema, networks: z.string() })) },
  'space.preview': {
    // A search space on a target before anything runs: its blocks, how many networks, what they cost at least and at most.
    input: z
      .object({
        space: z.union([z.string().min(1), searchSpaceSchema]).optional(), // default: what fits the images
        dataset: z.string(),
        target: z.string(),
        batch: z.number().int().min(1).max(4096).optional(),
        network: networkRefSchema.optional(), // the reference that fractions of budgets are of; default: mobilenet-v2
      })
      .strict(),
    output: spacePreviewSchema,
  },
  'training.preview': {
    // How long a training is and what memory it takes, before anything runs.
    input: z
      .object({
        network: networkRefSchema,
        dataset: z.string(),
        training: trainingParametersSchema.partial().optional(),
        validationImages: z.number().int().min(1).optional(), // default: what a run takes of this data set
      })
      .strict(),
    output: z.object({
      trainingImages: z.number().int(),
      validationImages: z.number().int(),
      steps: z.number().int(),
      stepsPerEpoch: z.number().int(),
      memoryBytes: z.number(), // at most, besides the program itself
    }),
  },
  'run.create': { input: runRequestSchema, output: runSummarySchema },
  'run.list': {
    // The newest first; `filter` in the language of filter/parse.ts.
    input: z
      .object({
        filter: z.string().max(2000).default(''),
        place: runPlaceSchema.optional(), // default: everywhere
        limit: z.number().int().min(1).max(100_000).optional(),
        offset: z.number().int().nonnegative().default(0),
      })
      .strict(),
    output: z.array(runSummarySchema),
  },
  'run.show': { input: runId, output: runDetailSchema },
  // Completed runs whose agent a search by method transfer can take over; the newest first.
  'run.agents': { input: z.object({ method: agentMethodSchema }).strict(), output: z.array(agentInfoSchema) },
  'run.trials': {
    input: z
      .object({
        id: z.string(),
        fromStep: z.number().int().nonnegative().default(0),
        limit: z.number().int().min(1).max(10_000).default(2000),
      })
      .strict(),
    output: z.array(trialSchema),
  },
  'run.metrics': {
    input: z.object({ id: z.string(), series: z.string().optional(), fromStep: z.number().int().nonnegative().default(0) }).strict(),
    output: z.array(metricSchema),
  },
  'run.log': {
    input: z
      .object({
        id: z.string(),
        afterSeq: z.number().int().nonnegative().default(0),
        limit: z.number().int().min(1).max(10_000).default(1000),
      })
      .strict(),
    output: z.array(storedLogLineSchema),
  },
  'run.weights': {
    // The trained float weights of a run as a .safetensors file; or the network that a search of bits found: its weights as codes, or as ONNX.
    input: runId.extend({ form: z.enum(['float', 'quantized', 'onnx']).default('float') }).strict(),
    output: z.object({ fileName: z.string(), sha256: z.string(), base64: z.string() }),
  },
  'run.cost': {
    // What the run found, on a target of choice: a cell of the matrix policy for the row's target, cost on the column's.
    input: z.object({ id: z.string().min(1), target: z.string().min(1) }).strict(),
    output: runCostSchema,
  },
  'run.cancel': { input: runId, output: runSummarySchema },
  'run.pause': { input: runId, output: runSummarySchema },
  'run.resume': { input: runId.extend({ where: whereSchema.optional() }), output: runSummarySchema },
  'run.annotate': {
    input: z
      .object({
        id: z.string(),
        name: z.string().min(1).max(200).optional(),
        note: z.string().max(10_000).optional(),
        star: z.boolean().optional(),
      })
      .strict(),
    output: runSummarySchema,
  },
  'run.organize': {
    // The same for all of them, or nothing.
    input: z
      .object({
        ids: runIds,
        star: z.boolean().optional(),
        place: runPlaceSchema.optional(),
        addTags: z.array(tagSchema).max(50).optional(),
        removeTags: z.array(tagSchema).max(50).optional(),
      })
      .strict(),
    output: z.array(runSummarySchema),
  },
  'run.purge': {
    // Deletes runs that lie in the trash, with all that was kept for them alone. There is no way back.
    input: z.object({ ids: runIds }).strict(),
    output: z.object({ ids: z.array(z.string()), freedBytes: z.number() }),
  },
  'run.reorder': { input: z.object({ ids: runIds }).strict(), output: z.array(runSummarySchema) }, // waiting runs: in this order, before all others
  'run.reproduce': { input: runId, output: runSummarySchema }, // a new run of the same manifest; refuses where what it names has changed

  'view.list': { input: empty, output: z.array(runViewSchema) },
  'view.put': { input: runViewSchema, output: runViewSchema },
  'view.remove': { input: z.object({ id: z.string().min(1) }).strict(), output: z.object({ id: z.string() }) },
  'settings.show': { input: empty, output: settingsSchema },
  'settings.change': { input: settingsSchema, output: settingsSchema },

  'run.bundle': {
    // The run with policy, weights, target and networks in one file: written to a path, or as base64 for a page.
    input: z.object({ id: z.string().min(1), path: z.string().min(1).optional() }).strict(),
    output: z.object({ fileName: z.string(), sizeBytes: z.number(), base64: z.string().nullable() }),
  },
  'bundle.open': {
    // Takes what is in a bundle; the same one again changes nothing. Refused as a whole where anything in it is not right.
    input: z
      .object({ path: z.string().min(1).optional(), upload: z.string().optional() })
      .strict()
      .refine(({ path, upload }) => (path === undefined) !== (upload === undefined), 'expected either a path or an upload'),
    output: z.object({ run: runSummarySchema, added: z.boolean(), newBlobs: z.number().int(), notes: z.array(z.string()) }), // notes: one sentence each
  },
  'report.make': {
    // A run, several side by side, or a study as one HTML document that needs nothing else.
    input: z.discriminatedUnion('kind', [
      z.object({ kind: z.literal('run'), id: z.string().min(1) }).strict(),
      z.object({ kind: z.literal('comparison'), ids: z.array(z.string().min(1)).min(2).max(50) }).strict(),
      z.object({ kind: z.literal('study'), id: z.string().min(1) }).strict(),
    ]),
    output: z.object({ fileName: z.string(), html: z.string() }),
  },
  'study.list': { input: empty, output: z.object({ definitions: z.array(studyDefinitionSchema), studies: z.array(studySummarySchema) }) },
  'study.run': {
    input: z.object({ kind: z.string().min(1), preset: studyPresetSchema.default('quick'), where: whereSchema.optional() }).strict(),
    output: studySummarySchema,
  },
  'study.compare': { input: comparisonRequestSchema, output: studySummarySchema },
  'study.show': { input: z.object({ id: z.string().min(1) }).strict(), output: studyReportSchema },
  'study.resume': { input: z.object({ id: z.string().min(1), where: whereSchema.optional() }).strict(), output: studySummarySchema }, // all its runs that are not completed
  'study.cancel': { input: z.object({ id: z.string().min(1) }).strict(), output: studySummarySchema },

  'queue.status': { input: empty, output: queueStatusSchema }, // the workers that share the work, and the runs that were given to them
  'queue.use': {
    // The queue of this data folder from now on, by the address of its Redis server; null: none.
    input: z
      .object({
        url: z.string().min(1).max(2000).nullable(),
        listen: z.string().min(1).max(300).optional(), // host or host:port at which workers reach this machine
      })
      .strict(),
    output: queueStatusSchema,
  },
  'queue.submit': {
    // Runs that are not completed go to the queue, from wherever they are but at work.
    input: z.object({ runs: z.array(z.string().min(1)).min(1).max(10_000) }).strict(),
    output: z.array(runSummarySchema),
  },

  'run.export': {
    // The run as one JSON document: manifest, solutions, trials.
    input: runId,
    output: z.object({ run: runDetailSchema, trials: z.array(trialSchema), metrics: z.array(metricSchema) }),
  },
} as const satisfies Record<string, { readonly input: z.ZodType; readonly output: z.ZodType }>;

export type Contract = typeof contract;
export type Method = keyof Contract;
/** What a caller passes (defaults may be left out). */
export type Input<M extends Method> = z.input<Contract[M]['input']>;
/** What a handler receives (defaults filled in). */
export type Parsed<M extends Method> = z.output<Contract[M]['input']>;
export type Output<M extends Method> = z.output<Contract[M]['output']>;

/**
 * What is pushed to a watcher, after it is stored. `rewound`: a resumed run went back to its checkpoint, so trials and
 * metrics from these steps on are gone and come again.
 */
export const events = {
  'dataset.progress': datasetProgressSchema,
  'dataset.changed': z.object({ id: z.string() }), // added, removed, or adding it ended: read the list again
  'table.progress': tableProgressSchema,
  'table.changed': z.object({ id: z.string() }), // made, changed or removed: read the list again
  'run.changed': runSummarySchema,
  'run.removed': z.object({ ids: z.array(z.string()) }), // deleted for good
  'view.changed': z.object({ id: z.string() }), // made, changed or removed: read the list again
  'run.trials': z.object({ id: z.string(), trials: z.array(trialSchema) }),
  'run.metrics': z.object({ id: z.string(), metrics: z.array(metricSchema) }),
  'run.log': z.object({ id: z.string(), lines: z.array(storedLogLineSchema) }),
  'run.rewound': z.object({ id: z.string() }), // read the run again
  'run.solutions': z.object({ id: z.string() }), // read `run.show` again
} as const satisfies Record<string, z.ZodType>;
export type EventName = keyof typeof events;
export type EventPayload<E extends EventName> = z.output<(typeof events)[E]>;
export type LatheEvent = { [E in EventName]: { readonly name: E; readonly payload: EventPayload<E> } }[EventName];

/** What a face holds: the same for window, browser and terminal. */
export interface LatheClient {
  /** Calls a method; rejects with a LatheError. */
  call<M extends Method>(method: M, input: Input<M>): Promise<Output<M>>;
  /** Follows every event until the returned function is called. */
  subscribe(listener: (event: LatheEvent) => void): () => void;
}

// Frames of the WebSocket and IPC transports.
export const requestFrameSchema = z.object({ id: z.number().int().nonnegative(), method: z.string(), input: z.unknown() }).strict();
export type RequestFrame = z.infer<typeof requestFrameSchema>;
export type ServerFrame =
  | { readonly kind: 'response'; readonly id: number; readonly ok: true; readonly output: unknown }
  | { readonly kind: 'response'; readonly id: number; readonly ok: false; readonly error: import('./errors.ts').ErrorPayload }
  | { readonly kind: 'event'; readonly event: LatheEvent };

export function isMethod(name: string): name is Method {
  return Object.hasOwn(contract, name);
}

/** Re-exported so that the renderer needs one import for a budget form. */
export { budgetSchema };
