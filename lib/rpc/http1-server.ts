import { createServer, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { maxHeaderBytes, type PeerLimits } from "./peer-limits.ts";
import type { HttpHandler } from "./unknown-route.ts";

/** How often connections are looked at for late headers. */
const lookEveryMs = 1_000;

/** A server of connections that somebody else accepted. */
export interface ConnectionServer {
  /** Takes a connection over, with what was read of it put back. */
  take(socket: Socket): void;
  /** Closes idle connections at once and the others as soon as what they are answering has ended. */
  drain(): void;
}

/** Speaks HTTP/1.1. */
export function http1Server(handle: HttpHandler, limits: PeerLimits): ConnectionServer {
  const answering = new Set<ServerResponse>();
  const server = createServer(
    {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(lookEveryMs, limits.headersTimeoutMs),
    },
    (request, response) => {
      answering.add(response);
      response.once("close", () => answering.delete(response));
      handle(request, response);
    },
  );
  // Node begins to watch for late headers when a server listens, which this one
  // never does.
  server.emit("listening");
  return {
    take(socket) {
      server.emit("connection", socket);
      socket.resume();
    },
    drain() {
      for (const response of answering) response.once("close", () => response.req.socket.destroySoon());
      // Closes the idle ones and ends the watch.
      server.close(() => undefined);
    },
  };
}
