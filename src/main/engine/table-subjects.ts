/** What a question about the keys of a table is about: a network, or every candidate of a search space. */
import { z } from 'zod';
import { searchSpaceSchema, spaceFitSchema } from '../../shared/space.ts';
import { networkTitle } from '../network/describe.ts';
import type { Graph } from '../network/graph.ts';
import { coveringGraphs } from '../network/space/programs.ts';
import { graphOf, questionNetworkSchema } from './network-requests.ts';

/** Resolved by the service: everything is complete. */
export const subjectSchema = z.union([questionNetworkSchema, z.object({ space: searchSpaceSchema, fit: spaceFitSchema })]);
export type SubjectQuestion = z.input<typeof subjectSchema>;

export interface Subject {
  readonly title: string;
  /** One of a network; of a space, several in which each candidate of each block occurs. Layers of equal names are the same. */
  readonly graphs: readonly Graph[];
}

export function subjectOf(question: z.output<typeof subjectSchema>): Subject {
  if ('space' in question) {
    const { space, fit } = question;
    return { title: `space ${space.id} at ${fit.shape.join(' x ')}, ${fit.classes} classes`, graphs: coveringGraphs(space, fit) };
  }
  const graph = graphOf(question);
  return { title: networkTitle(question, graph.inputShape), graphs: [graph] };
}
