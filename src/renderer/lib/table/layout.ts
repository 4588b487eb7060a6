/** A table's layout as it is kept in this browser: nothing here decides what a run is. */
import { z } from 'zod';

const layoutSchema = z.object({
  sorting: z.array(z.object({ id: z.string(), desc: z.boolean() })),
  sizing: z.record(z.string(), z.number().min(16).max(4000)),
  visibility: z.record(z.string(), z.boolean()),
});
export type Layout = z.infer<typeof layoutSchema>;

/** Null when there is none or when it was written by something else. */
export function readLayout(key: string, storage: Pick<Storage, 'getItem'> = window.localStorage): Layout | null {
  const text = storage.getItem(`lathe.table.${key}`);
  if (text === null) return null;
  try {
    return layoutSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null; // not JSON: as good as none
  }
}

export function writeLayout(key: string, layout: Layout, storage: Pick<Storage, 'setItem'> = window.localStorage): void {
  storage.setItem(`lathe.table.${key}`, JSON.stringify(layout));
}
