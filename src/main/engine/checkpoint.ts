/** Checkpoints and weights as blobs: a format version and V8's structured serialization, which keeps typed arrays and floats exactly. */
import { deserialize, serialize } from 'node:v8';
import { LatheError } from '../../shared/errors.ts';
import type { QuantizePolicy } from '../../shared/policy.ts';
import type { GroupDecision } from '../../shared/prune.ts';
import type { Solution } from '../../shared/run.ts';
import type { DdpgState } from '../search/agent/ddpg.ts';
import { isPackedValues, packValues, unpackValues, type PackedValues } from '../network/sparse.ts';
import type { QuantizedNetwork } from '../search/evaluator.ts';
import type { PruneSearchState, TrialsState } from '../search/prune/search.ts';
import type { Decision } from '../../shared/specialize.ts';
import type { BitVector } from '../search/quantize/bits.ts';
import type { QuantizeSearchState } from '../search/quantize/search.ts';
import type { RivalSearchState } from '../search/rivals/search.ts';
import type { SpecializeSearchState } from '../search/specialize/search.ts';
import type { QuantizedTrainingState } from '../search/training/quantized-training.ts';
import type { TrainingState } from '../search/training/training.ts';
import { readBlob, writeBlob } from '../store/blobs.ts';

const formatVersion = 1;

/** Trained float weights: the flat parameter array of `NativeModel`, batch-norm statistics included. */
export interface WeightsBlob {
  readonly kind: 'weights';
  readonly networkSha256: string;
  readonly parameters: Float32Array;
}

export interface TrainingCheckpoint {
  readonly kind: 'training';
  readonly state: TrainingState;
  readonly seconds: number; // of training so far
}

/** Behind the training: the weights are a blob of their own, as they do not change any more. */
export interface SearchCheckpoint {
  readonly kind: 'search';
  readonly weights: { readonly sha256: string; readonly seconds: number; readonly imagesPerSecond: number };
  readonly referenceAccuracy: number;
  readonly baselines: readonly {
    readonly label: string;
    readonly bits: BitVector;
    readonly validationAccuracy: number;
    readonly withinBudget: boolean;
  }[];
  readonly floatValidationAccuracy: number;
  readonly search: QuantizeSearchState | RivalSearchState; // by the manifest's method
}

/** The network that a later stage of a pruning starts from. */
export interface StageBase {
  readonly index: number; // of the stage, from 0
  readonly graphJson: unknown;
  readonly weights: string; // SHA-256 of the blob
}

/** A policy with its readings on the test split. */
export interface TestedPolicy {
  readonly bits: BitVector;
  readonly solution: Solution;
}

/** A search of bits behind its test, while policies are fine-tuned one after the other. */
export interface BitTuningCheckpoint extends Omit<SearchCheckpoint, 'kind'> {
  readonly kind: 'quantize-tuning';
  readonly policies: readonly TestedPolicy[]; // those to fine-tune
  readonly done: number; // of these
  readonly training: QuantizedTrainingState | null; // of the first that is not fine-tuned yet
}

/** A quantized network as it was measured, for files. */
export interface QuantizedBlob extends QuantizedNetwork {
  readonly kind: 'quantized';
  readonly networkSha256: string;
  readonly policy: QuantizePolicy;
}

interface PrunePrelude {
  readonly stage?: StageBase; // absent: the first, of the whole network
  readonly weights: SearchCheckpoint['weights'];
  readonly wholeAccuracy: number; // of the network with all its channels, on the validation images
}

/** A pruning among its trials. */
export interface PruneCheckpoint extends PrunePrelude {
  readonly kind: 'prune-search';
  readonly search: PruneSearchState | RivalSearchState | TrialsState;
}

/** A network that a pruning fine-tunes: the one that was found, then its rivals. */
export interface TunedNetwork {
  readonly role: 'best' | 'baseline';
  readonly label: string;
  readonly groups: readonly GroupDecision[];
  readonly beforeTuning: number; // accuracy on all validation images
  readonly parameters: Float32Array | null; // behind its fine-tuning; null: not yet
}

/** A pruning behind its trials, while the networks are fine-tuned one after the other. */
export interface TuningCheckpoint extends PrunePrelude {
  readonly kind: 'prune-tuning';
  readonly networks: readonly TunedNetwork[];
  readonly training: TrainingState | null; // of the first that is not fine-tuned yet
  readonly agent?: Pick<DdpgState, 'actor'> | null; // that decided; null: a rival did
}

/** A supernet's training and search. */
export interface SpecializeCheckpoint {
  readonly kind: 'specialize-search';
  readonly search: SpecializeSearchState;
  readonly seconds: number; // so far
}

/** A network that a specialize run trains by itself: the one that was found, then its rivals. */
export interface Contender {
  readonly role: 'best' | 'baseline';
  readonly label: string;
  readonly path: readonly number[] | null; // null: no network of the space
  readonly graphJson: unknown;
  readonly weights: string | null; // SHA-256 of the blob, behind its training
  readonly validationAccuracy: number | null;
}

/** Behind the search, while the networks are trained one after the other. */
export interface RetrainingCheckpoint {
  readonly kind: 'specialize-retraining';
  readonly contenders: readonly Contender[];
  readonly decisions: readonly Decision[];
  readonly training: TrainingState | null; // of the first that is not trained yet
}

type Blob =
  | WeightsBlob
  | TrainingCheckpoint
  | SearchCheckpoint
  | BitTuningCheckpoint
  | QuantizedBlob
  | PruneCheckpoint
  | TuningCheckpoint
  | SpecializeCheckpoint
  | RetrainingCheckpoint;

export async function saveState(dataDir: string, state: Blob): Promise<{ sha256: string; sizeBytes: number }> {
  return await writeBlob(dataDir, serialize({ formatVersion, state: packed(state) }));
}

/** Reads a blob back, its hash verified; refuses another kind than one of these, and another format. */
export async function loadState<K extends Blob['kind']>(
  dataDir: string,
  sha256: string,
  ...kinds: readonly [K, ...K[]]
): Promise<Extract<Blob, { kind: K }>> {
  const value = parsed(sha256, await readBlob(dataDir, sha256));
  if (!isEnvelope(value) || value.formatVersion !== formatVersion) {
    throw new LatheError(
      'newer-version',
      `checkpoint ${sha256.slice(0, 12)}: expected format ${String(formatVersion)}; it was written by another version of Lathe`,
    );
  }
  if (!isKind(value.state, kinds)) {
    throw new LatheError(
      'corrupt',
      `checkpoint ${sha256.slice(0, 12)}: expected ${kinds.join(' or ')}, found ${value.state.kind}; start the run again`,
    );
  }
  return unpacked(sha256, value.state);
}

/** A blob has the hash that was told of it, and may still be a stranger's: bundles bring some. */
function parsed(sha256: string, bytes: Uint8Array): unknown {
  try {
    return deserialize(bytes);
  } catch (error) {
    throw damaged(sha256, error instanceof Error ? error.message : String(error));
  }
}

function damaged(sha256: string, finding: string): LatheError {
  return new LatheError('corrupt', `checkpoint ${sha256.slice(0, 12)} cannot be read (${finding}); start the run again`);
}

/** Weights with many zeros take the room of the others. */
function packed(state: Blob): object {
  if (state.kind !== 'weights') return state;
  const parameters = packValues(state.parameters);
  return parameters.marks === null ? state : { ...state, parameters };
}

function unpacked<B extends Blob>(sha256: string, state: B): B {
  if (state.kind !== 'weights') return state;
  const { parameters }: { readonly parameters: Float32Array | PackedValues } = state;
  if (parameters instanceof Float32Array) return state;
  const values = isPackedValues(parameters) ? unpackValues(parameters) : null;
  if (!values) throw damaged(sha256, 'its weights are not as they should be');
  return { ...state, parameters: values };
}

/** A checkpoint as it lies there, of whatever kind: who hands it to another machine looks in it for the blobs that it names. */
export async function checkpointReferences(dataDir: string, sha256: string): Promise<unknown> {
  return parsed(sha256, await readBlob(dataDir, sha256));
}

function isEnvelope(value: unknown): value is { formatVersion: number; state: Blob } {
  const hasState = typeof value === 'object' && value !== null && 'formatVersion' in value && 'state' in value;
  return hasState && typeof value.state === 'object' && value.state !== null && 'kind' in value.state;
}

function isKind<K extends Blob['kind']>(state: Blob, kinds: readonly K[]): state is Extract<Blob, { kind: K }> {
  return kinds.some((kind) => kind === state.kind);
}
