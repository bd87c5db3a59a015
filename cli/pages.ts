/** What is asked of one page. */
export interface PageAsked {
  readonly pageSize: number;
  readonly pageToken: string;
}

/** The most that the server puts on one page. */
const largestPage = 1_000;

/** Asks for as many pages as the limit needs, one after the other. Resolves to the token of the page after them; empty when there is none. */
export async function eachPage(
  { limit, pageToken = "" }: { readonly limit: number; readonly pageToken?: string },
  ask: (page: PageAsked) => Promise<{ readonly count: number; readonly nextPageToken: string }>,
): Promise<string> {
  let left = limit;
  let token = pageToken;
  do {
    const page = await ask({ pageSize: Math.min(largestPage, left), pageToken: token });
    left -= page.count;
    token = page.nextPageToken;
  } while (token !== "" && left > 0);
  return token;
}
