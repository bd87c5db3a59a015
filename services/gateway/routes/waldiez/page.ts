import { z } from "zod";

/** How far into a list pages reach, which the services behind pass over one by one. */
const maxSkip = 1_000_000;

/** What every paged list is asked by, in the query. */
export const pageQuery = {
  page: z.coerce.number().int().min(1).default(1).describe("From 1."),
  size: z.coerce.number().int().min(1).max(100).default(50).describe("How many on a page."),
  order_type: z.enum(["asc", "desc"]).default("asc"),
};

/** A list in the query: its name once for each entry, `maxLength` of them at most. Left out, it is empty. */
export function textList(maxLength: number) {
  const entry = z.string().min(1).max(200);
  return z.union([z.array(entry).max(maxLength), entry.transform((text) => [text])]).default([]);
}

/** The answer of a paged list of `item`s. */
export function pageSchema<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    total: z.int(),
    page: z.int(),
    size: z.int(),
    pages: z.int(),
  });
}

/** Where a page begins: how many items are passed over; undefined for one that is so far off that it is taken as empty. */
export function skipOf({ page, size }: PageQuery): number | undefined {
  const skip = (page - 1) * size;
  return skip <= maxSkip ? skip : undefined;
}

/** A page as it is answered. */
export function pageOf(items: readonly object[], total: number, { page, size }: PageQuery): object {
  return { items, total, page, size, pages: Math.ceil(total / size) };
}

interface PageQuery {
  readonly page: number;
  readonly size: number;
}
