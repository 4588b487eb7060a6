/**
 * The one error type that crosses a process boundary. An error is for a person: what, where, what was expected, what was
 * found, and what to do next. Not for programming mistakes: those stay ordinary exceptions and are reported as `internal`.
 */
import { z } from 'zod';

export const errorCodeSchema = z.enum([
  'bad-input', // the caller can correct the request
  'not-found', // the thing named does not exist
  'conflict', // the thing exists, but not in a state that allows the request
  'unavailable', // this machine lacks something (compiler, data set, runtime)
  'cancelled', // stopped on request
  'corrupt', // a stored file or database failed its check
  'newer-version', // written by a newer Lathe
  'disk-full',
  'internal', // a defect of Lathe
]);
export type ErrorCode = z.infer<typeof errorCodeSchema>;

export const errorPayloadSchema = z.object({
  code: errorCodeSchema,
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
});
export type ErrorPayload = z.infer<typeof errorPayloadSchema>;

/** Longest message; what goes into one may come from a hostile file. */
export const longestMessage = 4000;

/** Control characters, and what ends a line in a script, but for tabs. */
const unshown = /(?!\t)[\p{Cc}\u2028\u2029]/gu;

/** What a file or a request holds goes into sentences that terminals, logs and pages show: on one line, without control characters, and not at any length. */
function shown(message: string): string {
  const plain = message.replaceAll(/\r?\n/g, ' ').replaceAll(unshown, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return plain.length <= longestMessage ? plain : `${plain.slice(0, longestMessage - 4)} ...`;
}

/** An error with a code that a face can act on and one sentence that a person can act on. */
export class LatheError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>) {
    super(shown(message));
    this.name = 'LatheError';
    this.code = code;
    this.details = details;
  }

  toPayload(): ErrorPayload {
    return { code: this.code, message: this.message, ...(this.details ? { details: this.details } : {}) };
  }

  static fromPayload(payload: ErrorPayload): LatheError {
    return new LatheError(payload.code, payload.message, payload.details);
  }
}

/** Any thrown value as a payload; what is not a LatheError is a defect and is marked `internal`. */
export function toErrorPayload(error: unknown): ErrorPayload {
  if (error instanceof LatheError) return error.toPayload();
  if (error instanceof z.ZodError) {
    return { code: 'bad-input', message: describeZodError(error) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message };
}

/** Schema failures that are told one by one. */
const toldIssues = 12;

/** One line for a schema failure: every place with what was expected there; of very many, the first ones. */
export function describeZodError(error: z.ZodError): string {
  const told = error.issues
    .slice(0, toldIssues)
    .map((issue) => (issue.path.length > 0 ? `${issue.path.map(String).join('.')}: ${issue.message}` : issue.message));
  const more = error.issues.length - told.length;
  return [...told, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}
