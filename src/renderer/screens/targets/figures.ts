/** The figures of each law as a form has them: path in the JSON, label, unit. What they may be is the schema's to say. */
import { lawLabels, targetSchema, type Law, type Target } from '../../../shared/target.ts';

export interface Figure {
  readonly path: string;
  readonly label: string;
  readonly unit?: string;
  readonly kind: 'number' | 'text' | 'choice';
  readonly choices?: readonly string[];
}

const number = (path: string, label: string, unit = ''): Figure => ({ path, label, unit, kind: 'number' });

const common: readonly Figure[] = [
  number('clockMhz', 'Clock', 'MHz'),
  number('defaultBatch', 'Batch by default', 'images'),
  { path: 'calibration', label: 'Calibration', kind: 'choice', choices: ['exact', 'documented', 'not calibrated'] },
];

const memory: readonly Figure[] = [
  number('memory.weightBufferBytes', 'Weight buffer', 'B'),
  number('memory.inputBufferBytes', 'Input buffer', 'B'),
  number('memory.outputBufferBytes', 'Output buffer', 'B'),
  number('memory.dramBitsPerCycle', 'DRAM', 'bit/cycle'),
  number('memory.sumBits', 'Partial sums', 'bit'),
  number('memory.latencySlack', 'Slower for less traffic, up to'),
];

const fixedArray: readonly Figure[] = [
  number('array.rows', 'Array rows'),
  number('array.columns', 'Array columns'),
  number('array.operandBits', 'Operands', 'bit'),
  { path: 'array.storage', label: 'Narrow operands are stored', kind: 'choice', choices: ['packed', 'operand'] },
];

const laws: Readonly<Record<Exclude<Law, 'table'>, readonly Figure[]>> = {
  systolic: [
    { path: 'dataflow', label: 'Dataflow', kind: 'choice', choices: ['output-stationary', 'weight-stationary', 'input-stationary'] },
    ...fixedArray,
    ...memory,
  ],
  'row-stationary': [...fixedArray, ...memory],
  bitfusion: [
    { path: 'mode', label: 'Mode', kind: 'choice', choices: ['requantize', 'compatible'] },
    number('array.rows', 'Fusion unit rows (inputs)'),
    number('array.columns', 'Fusion unit columns (outputs)'),
    number('array.minimumBits', 'Smallest part', 'bit'),
    ...memory,
  ],
  bismo: [
    number('array.rows', 'Rows (pixels)'),
    number('array.columns', 'Columns (output channels)'),
    number('array.wordBits', 'Word', 'bit'),
    number('weightBufferWords', 'Weight buffer', 'words'),
    number('activationBufferWords', 'Activation buffer', 'words'),
    number('depthwiseGroupChannels', 'Depthwise group', 'channels'),
  ],
  'bismo-stages': [
    number('array.rows', 'Rows'),
    number('array.columns', 'Columns'),
    number('array.wordBits', 'Word', 'bit'),
    number('leftEntries', 'Memory of a row', 'words'),
    number('rightEntries', 'Memory of a column', 'words'),
    number('regions', 'Buffer regions'),
    number('portBitsPerCycle', 'Memory port', 'bit/cycle'),
    number('sumBits', 'Results', 'bit'),
    number('depthwiseGroupChannels', 'Depthwise group', 'channels'),
  ],
  roofline: [
    number('precisions.0.operandBits', 'Operands', 'bit'),
    number('precisions.0.macsPerCycle', 'Peak', 'MAC/cycle'),
    number('dramBitsPerCycle', 'DRAM', 'bit/cycle'),
  ],
};

const energy: readonly Figure[] = [
  number('energy.compute.pj', 'Array', 'pJ'),
  number('energy.weightBuffer.readPjPerBit', 'Weight buffer, read', 'pJ/bit'),
  number('energy.weightBuffer.writePjPerBit', 'Weight buffer, write', 'pJ/bit'),
  number('energy.inputBuffer.readPjPerBit', 'Input buffer, read', 'pJ/bit'),
  number('energy.inputBuffer.writePjPerBit', 'Input buffer, write', 'pJ/bit'),
  number('energy.outputBuffer.readPjPerBit', 'Output buffer, read', 'pJ/bit'),
  number('energy.outputBuffer.writePjPerBit', 'Output buffer, write', 'pJ/bit'),
  number('energy.dramPjPerBit', 'DRAM', 'pJ/bit'),
];

export interface FigureGroup {
  readonly title: string;
  readonly figures: readonly Figure[];
}

export function figureGroups(target: Target): FigureGroup[] {
  if (target.law === 'table') return []; // its figures are a latency table
  const groups: FigureGroup[] = [{ title: lawLabels[target.law], figures: [...common, ...laws[target.law]] }];
  if (target.energy !== null) {
    const per = target.energy.compute.per === 'mac' ? 'pJ/MAC' : 'pJ/cycle';
    const figures = energy.map((figure) => (figure.path === 'energy.compute.pj' ? { ...figure, unit: per } : figure));
    groups.push({ title: `Energy, ${target.energy.technology}`, figures });
  }
  return groups;
}

/** The value at a path such as `precisions.0.operandBits`. */
export function valueAt(value: unknown, path: string): unknown {
  let at = value;
  for (const key of path.split('.')) at = typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[key] : undefined;
  return at;
}

/** A copy with another value at a path. */
export function withValue(value: unknown, path: string, next: unknown): unknown {
  const [key = '', ...rest] = path.split('.');
  const inner = rest.length === 0 ? next : withValue(valueAt(value, key), rest.join('.'), next);
  if (Array.isArray(value)) return (value as readonly unknown[]).map((item, index) => (String(index) === key ? inner : item));
  return { ...(value as Record<string, unknown>), [key]: inner };
}

/** A copy with a figure set by hand: its source says so, and what was compared with a machine no longer holds. */
export function withFigure(value: unknown, path: string, next: unknown): unknown {
  const changed = withValue(value, path, next) as Record<string, unknown>;
  if (path === 'calibration') return changed;
  const sources = { ...(changed['sources'] as Record<string, string> | undefined), [path]: 'set by hand' };
  return { ...changed, sources, calibration: 'not calibrated' };
}

/** Where a figure is from: its own source, or that of the part it belongs to. */
export function sourceOf(target: Target, path: string): string | null {
  const { sources = {} } = target;
  for (let at = path; at !== ''; at = at.split('.').slice(0, -1).join('.')) {
    const found = sources[at];
    if (found !== undefined) return found;
  }
  return path.startsWith('energy.') ? (target.energy?.source ?? null) : null;
}

export type Checked =
  { readonly target: Target; readonly problems: null } | { readonly target: null; readonly problems: ReadonlyMap<string, string> };

/** What the schema says of a draft: the target, or a sentence for each path. */
export function check(draft: unknown): Checked {
  const parsed = targetSchema.safeParse(draft);
  if (parsed.success) return { target: parsed.data, problems: null };
  return { target: null, problems: new Map(parsed.error.issues.map((issue) => [issue.path.map(String).join('.'), issue.message])) };
}
