/** Questions about latency tables: reading a file, writing one, and what a table says of networks. */
import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { LatheError } from '../../shared/errors.ts';
import {
  latencyEntrySchema,
  latencyOf,
  latencyUnitSchema,
  maximumTableBytes,
  tableFormatSchema,
  tableSchemeSchema,
  type Coverage,
  type FittedModel,
  type Prediction,
} from '../../shared/latency-table.ts';
import { bitsSchema } from '../../shared/policy.ts';
import type { PolicyBits } from '../hardware/cost-table.ts';
import { fitModel, fitRows } from '../hardware/tables/fit.ts';
import { partsOf } from '../hardware/tables/parts.ts';
import { coverage, predict, type PricedTable } from '../hardware/tables/predict.ts';
import { formatOf, readTable, type ReadTable } from '../hardware/tables/read.ts';
import { writeTable } from '../hardware/tables/write.ts';
import { quantizableLayers, type Graph } from '../network/graph.ts';
import { networkTitle } from '../network/describe.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';
import { subjectOf, subjectSchema } from './table-subjects.ts';

const readQuestionSchema = z.object({
  path: z.string().optional(),
  text: z.string().optional(),
  name: z.string(), // for sentences
  format: tableFormatSchema.optional(),
  unit: latencyUnitSchema,
});
const writeQuestionSchema = z.object({ entries: z.array(latencyEntrySchema), format: tableFormatSchema });

/** A table as the engine, which has no store, is given it. */
const pricedTableSchema = z.object({
  id: z.string(),
  scheme: tableSchemeSchema,
  batch: z.number().int(),
  threads: z.number().int().nullable(),
  entries: z.array(latencyEntrySchema.pick({ key: true, meanMs: true, medianMs: true, stdMs: true })),
});
export type TableQuestion = z.input<typeof pricedTableSchema>;

const bits = { weightBits: bitsSchema, activationBits: bitsSchema };
const predictQuestionSchema = z.object({
  table: pricedTableSchema,
  network: questionNetworkSchema,
  filling: z.enum(['none', 'interpolate', 'fit']),
  ...bits,
});
const coverageQuestionSchema = z.object({ table: pricedTableSchema, subjects: z.array(subjectSchema), ...bits });
const fitQuestionSchema = z.object({ table: pricedTableSchema });

export async function answerReadTable(input: unknown): Promise<ReadTable> {
  const { path, text, name, format, unit } = readQuestionSchema.parse(input);
  return readTable(name, text ?? (await textOf(path ?? name)), format ?? formatOf(name), unit);
}

async function textOf(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    if (size > maximumTableBytes) throw new LatheError('bad-input', `${path}: larger than ${maximumTableBytes / 2 ** 20} MiB`);
    return new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path));
  } catch (error) {
    if (error instanceof LatheError) throw error;
    if (error instanceof TypeError) throw new LatheError('bad-input', `${path}: it is not UTF-8 text`);
    throw new LatheError('not-found', `${path} cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

export function answerWriteTable(input: unknown): string {
  const { entries, format } = writeQuestionSchema.parse(input);
  return writeTable(entries, format);
}

export function answerPredict(input: unknown): Omit<Prediction, 'measured'> {
  const question = predictQuestionSchema.parse(input);
  const graph = graphOf(question.network);
  const title = networkTitle(question.network, graph.inputShape);
  return predict(graph, title, pricedTable(question.table), question.filling, uniform(graph, question));
}

export function answerCoverage(input: unknown): Coverage {
  const question = coverageQuestionSchema.parse(input);
  const table = pricedTable(question.table);
  return coverage(
    table,
    question.subjects.map((subject) => {
      const { title, graphs } = subjectOf(subject);
      const parts = graphs.flatMap((graph) => partsOf(graph, table.scheme, uniform(graph, question)));
      return { title, parts: [...new Map(parts.map((part) => [part.name, part])).values()] }; // what several paths of a space share counts once
    }),
  );
}

export function answerFit(input: unknown): FittedModel {
  const { table } = fitQuestionSchema.parse(input);
  const rows = fitRows(table.entries.map((entry) => [entry.key, latencyOf(entry)] as const));
  const model = fitModel(rows);
  return {
    table: table.id,
    classes: model.classes.map((one) => ({ ...one, coefficients: { ...one.coefficients } })),
    points: rows.map(({ key, work, latencyMs }) => ({ key, class: work.class, latencyMs, predictedMs: model.predict(work) ?? 0 })),
  };
}

function pricedTable({ entries, ...table }: z.output<typeof pricedTableSchema>): PricedTable {
  return { ...table, entries: new Map(entries.map((entry) => [entry.key, { latencyMs: latencyOf(entry), stdMs: entry.stdMs }])) };
}

function uniform(graph: Graph, { weightBits, activationBits }: { weightBits: number; activationBits: number }): PolicyBits {
  const layers = quantizableLayers(graph);
  return { weightBits: layers.map(() => weightBits), activationBits: layers.map(() => activationBits) };
}
