/** The bounds of one peer, so that no single one costs more than its share. Times in milliseconds. */
export interface PeerLimits {
  /** The longest silence before the first byte, and the longest time for a handshake of TLS. */
  readonly peekTimeoutMs: number;
  /** The longest time for the headers of a request, and between two requests, over HTTP/1.1. */
  readonly headersTimeoutMs: number;
  /** The longest time for a body of no length; see `slow-bodies.ts`. */
  readonly bodyGraceMs: number;
  /** A body that comes more slowly, after the grace, is not waited for. */
  readonly bodyBytesPerSecond: number;
  /** How many requests one HTTP/1.1 peer may send without waiting for their answers. */
  readonly maxPipelined: number;
  /** The longest time before the first request over HTTP/2. */
  readonly firstRequestMs: number;
  /** The longest time between two requests, over either protocol. */
  readonly idleMs: number;
  /** How often each HTTP/2 peer is pinged; one that has not answered by the next time is gone. */
  readonly pingEveryMs: number;
  /** How many connections one address may have at once. */
  readonly maxConnections: number;
  /** How many streams one HTTP/2 connection may have at once. */
  readonly maxStreams: number;
}

/** For peers from outside. */
export const publicPeers: PeerLimits = {
  peekTimeoutMs: 10_000,
  headersTimeoutMs: 15_000,
  bodyGraceMs: 30_000,
  bodyBytesPerSecond: 16 * 1024,
  maxPipelined: 100,
  firstRequestMs: 60_000,
  // Longer than connect-node's clients keep an idle connection (15 min), so
  // that they hang up first and no request crosses the server's goodbye.
  idleMs: 20 * 60_000,
  pingEveryMs: 20_000,
  // A proxy before us is one address, and so are all the people behind one.
  maxConnections: 5_000,
  maxStreams: 250,
};

/** For our own services, of which one connection carries the calls of thousands of clients. */
export const servicePeers: PeerLimits = { ...publicPeers, maxStreams: 10_000 };

/** All headers of a request together. */
export const maxHeaderBytes = 16 * 1024;
