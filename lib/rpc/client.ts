import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { TokenSource } from "./internal-token.ts";
import { servicePeers } from "./peer-limits.ts";

/** How often a connection with open calls is asked for a sign of life. */
const pingIntervalMs = 20_000;

/** A peer that has not answered by then is gone, and its calls fail with UNAVAILABLE. */
const pingTimeoutMs = 10_000;

/** What a peer may send on one stream before it is read. */
const streamWindowBytes = 1024 * 1024;

/** The largest answer that is taken. */
const maxAnswerBytes = 64 * 1024 * 1024;

export interface NetworkTransportOptions {
  /** `http://host:port` of a server of ours. */
  readonly url: string;
  /** Whose token each call bears; without it a call bears what its caller put into the header. */
  readonly token?: TokenSource;
}

/** A connection to a server. Disposing of it ends the calls that are open. */
export type NetworkTransport = Transport & Disposable;

/**
 * Calls a server by gRPC over one HTTP/2 connection, which is made with the
 * first call and again after a loss. Nothing is retried: whoever calls knows
 * whether a call may be repeated.
 */
export function networkTransport({ url, token }: NetworkTransportOptions): NetworkTransport {
  const sessionManager = new Http2SessionManager(
    url,
    { pingIntervalMs, pingTimeoutMs },
    {
      peerMaxConcurrentStreams: servicePeers.maxStreams,
      settings: { initialWindowSize: streamWindowBytes, enablePush: false },
    },
  );
  const transport = createGrpcTransport({
    baseUrl: url,
    sessionManager,
    readMaxBytes: maxAnswerBytes,
    // Between our services the network is quicker than gzip.
    acceptCompression: [],
    interceptors: token === undefined ? [] : [bearing(token)],
  });
  return {
    unary: transport.unary.bind(transport),
    stream: transport.stream.bind(transport),
    [Symbol.dispose]: () => sessionManager.abort(),
  };
}

/** Puts a token into the header of each call, and tells its source when it is refused. */
export function bearing(token: TokenSource): Interceptor {
  return (next) => async (request) => {
    const borne = await token();
    request.header.set("authorization", `Bearer ${borne}`);
    try {
      return await next(request);
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) token.onRefused?.(borne);
      throw error;
    }
  };
}
