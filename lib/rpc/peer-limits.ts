/** The bounds of one peer, so that no single one costs more than its share. Times in milliseconds. */
export interface PeerLimits {
  /** The longest silence before the first byte. */
  readonly peekTimeoutMs: number;
  /** The longest time for the headers of a request, and between two requests, over HTTP/1.1. */
  readonly headersTimeoutMs: number;
  /** The longest time before the first request over HTTP/2. */
  readonly firstRequestMs: number;
  /** The longest time between two requests, over either protocol. */
  readonly idleMs: number;
  /** How often each HTTP/2 peer is pinged; one that has not answered by the next time is gone. */
  readonly pingEveryMs: number;
  /** How many streams one HTTP/2 connection may have at once. */
  readonly maxStreams: number;
}

/** For peers from outside. */
export const publicPeers: PeerLimits = {
  peekTimeoutMs: 10_000,
  headersTimeoutMs: 15_000,
  firstRequestMs: 60_000,
  // Longer than connect-node's clients keep an idle connection (15 min), so
  // that they hang up first and no request crosses the server's goodbye.
  idleMs: 20 * 60_000,
  pingEveryMs: 20_000,
  maxStreams: 250,
};

/** For our own services, of which one connection carries the calls of thousands of clients. */
export const servicePeers: PeerLimits = { ...publicPeers, maxStreams: 10_000 };

/** All headers of a request together. */
export const maxHeaderBytes = 16 * 1024;
