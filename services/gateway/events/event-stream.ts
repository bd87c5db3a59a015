/** How long a client waits before it asks again when the stream breaks. */
const retryMs = 1_000;

/** How a stream of events begins. */
export const streamStart = `retry: ${retryMs}\n\n`;

/** What is sent when there is nothing to say, so that nobody on the way takes the stream for dead. */
export const signOfLife = ": nothing new\n\n";

/** One event of a stream. */
export interface StreamEvent {
  /** What a client names to go on after it. */
  readonly id?: string | undefined;
  readonly event: string;
  /** Sent as JSON. */
  readonly data: object;
}

/** An event as it goes over the wire (HTML Living Standard, section 9.2). Neither id nor name may hold a line feed. */
export function eventText({ id, event, data }: StreamEvent): string {
  const idLine = id === undefined ? "" : `id: ${id}\n`;
  // JSON has no line feed outside of strings, and there it is escaped.
  return `${idLine}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
