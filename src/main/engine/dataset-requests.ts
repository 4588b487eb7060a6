/** Questions about images: what lies at a path, adding it, and looking at what was added. libvips and file formats stay in this process. */
import { z } from 'zod';
import { addPathSchema, datasetIdSchema, datasetRecordSchema, type DatasetProgress, type DatasetRecord } from '../../shared/dataset.ts';
import { addIdx } from '../data/datasets.ts';
import { openTrainSplit, type OpenedImages } from '../data/datasets.ts';
import { addPath, inspectPath } from '../data/add-path.ts';
import { ImageCache } from '../data/image-cache.ts';
import { contactSheet, contactStrip } from '../data/contact-sheet.ts';
import { idxFilesAt, recogniseKind } from '../data/recognise.ts';
import { describeIdx } from '../data/records.ts';
import { RateMeter } from './reporter.ts';

export interface RequestWork {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: DatasetProgress) => void;
}

const idxPathsSchema = z.object({ trainImages: z.string(), trainLabels: z.string(), testImages: z.string(), testLabels: z.string() });
export const inspectQuestionSchema = addPathSchema.pick({ path: true, format: true });
export const addQuestionSchema = z.object({
  id: datasetIdSchema,
  dataDir: z.string(),
  input: z.union([addPathSchema, idxPathsSchema.extend({ kind: z.literal('idx'), classes: z.number().int().optional() })]),
});
export const samplesQuestionSchema = z.object({
  record: datasetRecordSchema,
  dataDir: z.string(),
  label: z.number().int().nonnegative(),
  count: z.number().int().positive(),
});
export const sheetQuestionSchema = z.object({ record: datasetRecordSchema, dataDir: z.string(), perClass: z.number().int().positive() });

type Report = (progress: Pick<DatasetProgress, 'phase' | 'done' | 'total'> & { readonly broken?: number }) => void;

/** Four reports a second at most, with rate and time left. */
function reporterOf(id: string, { onProgress }: RequestWork): Report {
  const intervalMs = 250;
  const meter = new RateMeter(() => Date.now(), 0);
  let lastMs = 0;
  let lastPhase = '';
  return ({ phase, done, total, broken = 0 }) => {
    const now = Date.now();
    if (phase === lastPhase && now - lastMs < intervalMs) return;
    [lastPhase, lastMs] = [phase, now];
    const { ratePerSecond, etaSeconds } = meter.progress('loading', done, total);
    onProgress({ id, phase, done, total, broken, ratePerSecond, etaSeconds });
  };
}

export async function answerInspect(input: unknown, { signal }: RequestWork): Promise<unknown> {
  const { path, format } = inspectQuestionSchema.parse(input);
  return await inspectPath(path, format, signal);
}

/** The record of what was added; it is not stored yet. */
export async function answerAdd(question: unknown, work: RequestWork): Promise<DatasetRecord> {
  const { id, dataDir, input } = addQuestionSchema.parse(question);
  const { signal } = work;
  const onProgress = reporterOf(id, work);
  if (input.kind === 'idx') {
    const { kind: _kind, classes, ...paths } = input;
    onProgress({ phase: 'looking', done: 0, total: 0 });
    return await addIdx({ id, ...paths, ...(classes === undefined ? {} : { classes }), signal });
  }
  const format = input.format === 'auto' ? await recogniseKind(input.path) : input.format;
  if (format === 'idx') {
    onProgress({ phase: 'looking', done: 0, total: 0 });
    return describeIdx(await addIdx({ id, ...(await idxFilesAt(input.path)), signal }), input);
  }
  return await addPath({ ...input, format }, id, { cache: new ImageCache(dataDir), signal, onProgress });
}

/** The set that was looked at last: a screen asks for one class after the other. */
let lookedAt: { readonly sha256: string; readonly set: Promise<OpenedImages>; readonly timer: NodeJS.Timeout } | null = null;
const forgetAfterMs = 30_000;

function openToLook(record: DatasetRecord, dataDir: string): Promise<OpenedImages> {
  if (lookedAt) clearTimeout(lookedAt.timer);
  const set = lookedAt?.sha256 === record.sha256 ? lookedAt.set : openTrainSplit(record, { dataDir, stream: true, restore: false });
  const forget = (): void => {
    lookedAt = null;
  };
  lookedAt = { sha256: record.sha256, set, timer: setTimeout(forget, forgetAfterMs).unref() };
  set.catch(forget);
  return set;
}

export async function answerSamples(question: unknown): Promise<unknown> {
  const { record, dataDir, label, count } = samplesQuestionSchema.parse(question);
  const { png, ...rest } = await contactStrip(await openToLook(record, dataDir), label, count);
  return { ...rest, png: png.toString('base64') };
}

export async function answerSheet(question: unknown, work: RequestWork): Promise<unknown> {
  const { record, dataDir, perClass } = sheetQuestionSchema.parse(question);
  const onProgress = reporterOf(record.id, work);
  const set = await openTrainSplit(record, { dataDir, stream: true, signal: work.signal, onProgress });
  const { png, ...rest } = await contactSheet(set, record.classNames, perClass);
  return { ...rest, png: png.toString('base64') };
}
