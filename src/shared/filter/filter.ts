/** What a filter of runs is, once it is understood: a tree. `parse.ts` reads it, `print.ts` writes it, `predicate.ts` and the store apply it. */
import { z } from 'zod';
import { runFieldNameSchema } from './fields.ts';

export const comparisonSchema = z.enum(['=', '!=', '<', '<=', '>', '>=']);
export type Comparison = z.infer<typeof comparisonSchema>;

const value = z.union([z.string(), z.number()]);
export type FilterValue = z.infer<typeof value>;

/**
 * Two-valued: what compares with a figure that is not known is false, and its negation true. Text is equal case by case and
 * contained in any case; dates are Unix milliseconds.
 */
export type Filter =
  | { readonly kind: 'all' | 'any'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  | { readonly kind: 'compare'; readonly field: RunFieldName; readonly operator: Comparison; readonly value: FilterValue }
  | { readonly kind: 'contains'; readonly field: RunFieldName; readonly text: string }
  | { readonly kind: 'in'; readonly field: RunFieldName; readonly values: readonly FilterValue[] }
  | { readonly kind: 'flag'; readonly field: RunFieldName }
  | { readonly kind: 'words'; readonly text: string }; // anywhere in what names a run
type RunFieldName = z.infer<typeof runFieldNameSchema>;

export const filterSchema: z.ZodType<Filter> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.enum(['all', 'any']), of: z.array(filterSchema).min(2) }),
    z.object({ kind: z.literal('not'), of: filterSchema }),
    z.object({ kind: z.literal('compare'), field: runFieldNameSchema, operator: comparisonSchema, value }),
    z.object({ kind: z.literal('contains'), field: runFieldNameSchema, text: z.string() }),
    z.object({ kind: z.literal('in'), field: runFieldNameSchema, values: z.array(value).min(1) }),
    z.object({ kind: z.literal('flag'), field: runFieldNameSchema }),
    z.object({ kind: z.literal('words'), text: z.string() }),
  ]),
);
