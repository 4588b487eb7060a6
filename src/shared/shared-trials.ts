/** Candidates of a search that other machines help to measure: what goes out to a helper, and what comes back. */
import { z } from 'zod';

const index = z.number().int().nonnegative(); // counts a run's candidates from its start, or from where it was resumed

/** A policy to measure, as the numbers that its method makes of it. */
export const candidateSchema = z.object({ index, values: z.array(z.number()) });

/** What was read of it. Numbers as text: JSON has no NaN and no infinity, and a loss may be either. */
export const readingSchema = z.object({ index, values: z.array(z.string()) });

/** What a helper brings. */
export const tradeSchema = z.object({ by: z.string(), epoch: z.number().int(), readings: z.array(readingSchema) });
export type Trade = z.infer<typeof tradeSchema>;

/** What it gets for that: the next ones, none for the moment, or nothing any more. */
export const tradedSchema = z.object({ isOver: z.boolean(), candidates: z.array(candidateSchema) });
export type Traded = z.infer<typeof tradedSchema>;

/** What a run asks help for: so many candidates (0: none at present), to be measured from this checkpoint on. */
export const offerSchema = z.object({
  epoch: z.number().int(), // of the run: a helper of an earlier one measures from something else
  candidates: z.number().int().nonnegative(),
  checkpoint: z.object({ phase: z.string(), step: z.number(), sha256: z.string() }),
});
export type Offer = z.infer<typeof offerSchema>;

/** Nothing to measure, and nothing to wait for. */
export const allOver: Traded = { isOver: true, candidates: [] };
