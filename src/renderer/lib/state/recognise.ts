/** What a file is, by what is in it and not by its name. Pure. */
import { quantizePolicySchema, type QuantizePolicy } from '../../../shared/policy.ts';

export type Recognised =
  | { readonly kind: 'network' } // ONNX
  | { readonly kind: 'policy'; readonly policy: QuantizePolicy }
  | { readonly kind: 'target'; readonly form: 'json' | 'yaml' } // to be checked by the service
  | { readonly kind: 'bundle' } // a run with what belongs to it: a zip
  | { readonly kind: 'table' } // of latencies, as text
  | { readonly kind: 'unknown' };

/** `bytes` are the whole file, or of a network or bundle its beginning. */
export function recognise(bytes: Uint8Array): Recognised {
  if (isOnnx(bytes)) return { kind: 'network' };
  if (isZip(bytes)) return { kind: 'bundle' };
  const text = textOf(bytes);
  if (text === null) return { kind: 'unknown' };
  const trimmed = text.trimStart();
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) return ofJson(trimmed);
  if (/^law\s*:/m.test(trimmed) && /^id\s*:/m.test(trimmed)) return { kind: 'target', form: 'yaml' };
  // A table of latencies: rows with commas or semicolons, or keys with their figures.
  return /^[^\n]*[,;\t][^\n]*\n/.test(trimmed) || /^\s*["']?[^\s:"'][^\n]*:(?:\s|$)/m.test(trimmed)
    ? { kind: 'table' }
    : { kind: 'unknown' };
}

/**
 * A ModelProto (onnx.proto3) begins with its ir_version, field 1 as a varint below 32, and goes on with a field of the same message:
 * producer name and version, domain, model version, doc string, graph, opset import, metadata.
 */
function isOnnx(bytes: Uint8Array): boolean {
  const [first, version = 255, next = 0] = bytes;
  return first === 0x08 && version < 32 && [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72].includes(next);
}

/** Begins with the header of a zip's first file. */
function isZip(bytes: Uint8Array): boolean {
  return [0x50, 0x4b, 0x03, 0x04].every((byte, at) => bytes[at] === byte);
}

function textOf(bytes: Uint8Array): string | null {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text.includes('\0') ? null : text;
  } catch {
    return null; // no UTF-8
  }
}

function ofJson(text: string): Recognised {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: 'unknown' };
  }
  const policy = quantizePolicySchema.safeParse(policyIn(value));
  if (policy.success) return { kind: 'policy', policy: policy.data };
  if (typeof value === 'object' && value !== null && 'law' in value) return { kind: 'target', form: 'json' };
  return { kind: 'table' };
}

/** The policy itself, or the one of an exported run. */
function policyIn(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if ('best' in value && typeof value.best === 'object' && value.best !== null && 'policy' in value.best) return value.best.policy;
  return 'policy' in value ? value.policy : value;
}
