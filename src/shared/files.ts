/** A folder on the machine that runs Lathe, as a face shows it. */
import { z } from 'zod';

export const folderListingSchema = z.object({
  path: z.string(), // absolute
  parent: z.string().nullable(), // null: of the root
  entries: z.array(z.object({ name: z.string(), path: z.string(), isFolder: z.boolean() })), // folders first, by name; no hidden ones
  more: z.boolean(), // whether there are more than are listed
});
export type FolderListing = z.infer<typeof folderListingSchema>;
