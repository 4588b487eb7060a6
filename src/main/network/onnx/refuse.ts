/** The way in which a file is refused: one sentence, with what would help where something would. */
import { LatheError } from '../../../shared/errors.ts';

/** Throws LatheError bad-input. */
export function refuse(sentence: string): never {
  throw new LatheError('bad-input', sentence);
}

/** Text of a file, short and of one line, for a sentence. */
export function quoted(text: string): string {
  const clean = text.replace(/\p{C}+/gu, ' ');
  return clean.length > 120 ? `${clean.slice(0, 119)}…` : clean;
}
