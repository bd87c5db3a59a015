import { z } from "zod";

/** Which part of a list is asked for. */
export const pageQuery = {
  page_size: z.coerce.number().int().min(1).max(1_000).default(50).describe("How many at most."),
  page_token: z.string().max(1_000).default("").describe("`next_page_token` of the page before."),
};

/** A part of a list. */
export function pageBody<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item),
    next_page_token: z.string().describe("For the next page; empty when this is the last."),
  });
}
