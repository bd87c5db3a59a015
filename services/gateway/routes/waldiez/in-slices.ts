/** How many calls one request makes of the services behind at once. */
const atOnce = 8;

/** What `work` makes of each item, in order; of a few at once, so that one request never floods the services behind. */
export async function inSlices<Item, Made>(
  items: readonly Item[],
  work: (item: Item) => Promise<Made>,
): Promise<Made[]> {
  const made: Made[] = [];
  for (let from = 0; from < items.length; from += atOnce) {
    made.push(...(await Promise.all(items.slice(from, from + atOnce).map(work))));
  }
  return made;
}
