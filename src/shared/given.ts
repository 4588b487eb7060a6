/** What a user has chosen, apart from what they left to the defaults. */
import { z } from 'zod';

/**
 * The same object with every field optional and no field filled in: `partial()` alone keeps the defaults, and what was left out
 * could not be told from what was chosen.
 */
export function given<T extends z.ZodObject>(
  schema: T,
): z.ZodType<{ [K in keyof z.output<T>]?: z.output<T>[K] | undefined }, { [K in keyof z.input<T>]?: z.input<T>[K] | undefined }> {
  const fields = Object.entries(schema.shape).map(([name, field]) => {
    const type: unknown = field;
    const inner = type instanceof z.ZodDefault || type instanceof z.ZodPrefault ? type.unwrap() : type;
    return [name, (inner as z.ZodType).optional()] as const;
  });
  return z.object(Object.fromEntries(fields)).strict() as never;
}
