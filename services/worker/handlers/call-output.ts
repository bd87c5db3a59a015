/** The headers that outputs have; most others are about the connection, or for browsers. */
const kept = ["content-type", "date", "etag", "last-modified", "link", "location", "x-request-id"] as const;

/** What a call gave, as a node's output. `data` is JSON text and stands in it as it is. */
export function callOutput({
  status,
  headers,
  data,
  url,
  simulated = false,
}: {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly data: string;
  readonly url: URL;
  readonly simulated?: boolean;
}): Uint8Array {
  const few = kept.flatMap((name) => {
    const value = headers.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  const about = { status, headers: Object.fromEntries(few), url: url.href, ...(simulated && { simulated }) };
  return Buffer.from(`${JSON.stringify(about).slice(0, -1)},"data":${data}}`);
}
