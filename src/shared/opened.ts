/** What came of opening a bundle, in words: the same in the window and in the terminal. */
import { count } from './format.ts';

export interface Opened {
  readonly run: { readonly id: string; readonly name: string };
  readonly added: boolean; // false: the run was here already
  readonly newBlobs: number;
  readonly notes: readonly string[];
}

/** `opened: run q-1 (quantize mobilenet-v1), 2 new blobs`; what was left as it is follows, a sentence each. */
export function openedText({ run, added, newBlobs, notes }: Opened): string {
  const blobs = `${newBlobs === 0 ? 'no' : count(newBlobs)} new ${newBlobs === 1 ? 'blob' : 'blobs'}`;
  const what = `opened: run ${run.id} (${run.name})${added ? '' : ', which was here already'}, ${blobs}`;
  return [what, ...notes].join('; ');
}
