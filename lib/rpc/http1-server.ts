import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { maxHeaderBytes, type PeerLimits } from "./peer-limits.ts";
import type { HttpHandler } from "./unknown-route.ts";

/** How often connections are looked at for late headers. */
const lookEveryMs = 1_000;

/** More of a body that nobody wants than this is not read. */
const maxDiscardedBytes = 256 * 1024;

/** A server of connections that somebody else accepted. */
export interface ConnectionServer {
  /** Takes a connection over, with what was read of it put back. */
  take(socket: Socket): void;
  /** Closes idle connections at once and the others as soon as what they are answering has ended. */
  drain(): void;
}

/**
 * Takes over a connection whose peer asks to speak WebSocket: answers the
 * request, or refuses it, and closes the socket in its own time. `head` is what
 * was read after the request. When `closing` aborts it has a second for its last
 * words; then the socket is destroyed. Must not throw.
 */
export type UpgradeHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  closing: AbortSignal,
) => void;

/** Speaks HTTP/1.1. Without `upgrade` a request for another protocol is answered as any other, as RFC 9110 §7.8 allows. */
export function http1Server(
  handle: HttpHandler,
  limits: PeerLimits,
  upgrade?: (request: IncomingMessage, socket: Duplex, head: Buffer) => void,
): ConnectionServer {
  const answering = new Set<ServerResponse>();
  const pipelined = new WeakMap<Socket, number>();
  const server = createServer(
    {
      // Clients that would like HTTP/2 ask for it by `upgrade`, too, and are content with HTTP/1.1.
      shouldUpgradeCallback: ({ headers }) =>
        upgrade !== undefined && headers.upgrade?.toLowerCase() === "websocket",
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.headersTimeoutMs,
      // A time for whole requests would end uploads that are long, and not slow.
      requestTimeout: 0,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: Math.min(lookEveryMs, limits.headersTimeoutMs),
    },
    (request, response) => {
      const { socket } = request;
      // What is left of a chunk after its socket has been destroyed is still parsed.
      if (socket.destroyed) return;
      const waiting = pipelined.get(socket) ?? 0;
      if (waiting >= limits.maxPipelined) {
        socket.destroy();
        return;
      }
      pipelined.set(socket, waiting + 1);
      answering.add(response);
      response.once("finish", () => discardRest(request, socket));
      response.once("close", () => {
        answering.delete(response);
        pipelined.set(socket, (pipelined.get(socket) ?? 1) - 1);
      });
      handle(request, response);
    },
  );
  server.on("clientError", refuseMalformed);
  if (upgrade !== undefined) server.on("upgrade", upgrade);
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

/** What a peer is told whose request can not be read, by Node's code for that; 400 for any other. */
const malformed: Readonly<Record<string, readonly [status: string, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    "431 Request Header Fields Too Large",
    `the address and the headers have more than ${maxHeaderBytes} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the headers took too long"],
};

/** Answers a request that is none, in the form of every other refusal, and ends its connection. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, message] = malformed[error.code ?? ""] ?? ["400 Bad Request", "the request is malformed"];
  const body = JSON.stringify({
    code: "invalid_argument",
    message,
    detail: message,
    reason: "FIELD_INVALID",
  });
  const headers = [
    `HTTP/1.1 ${status}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  socket.end(`${headers.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy());
}

/**
 * Discards what its handler left of a request's body, which would keep the
 * connection's next request from being read; ends the connection when that is
 * much. Node does so by itself only when nothing of the body was read.
 */
function discardRest(request: IncomingMessage, socket: Socket): void {
  if (request.complete && request.readableLength === 0) return;
  if (request.destroyed) {
    socket.destroySoon();
    return;
  }
  let discardedBytes = 0;
  request.on("data", (chunk: Buffer) => {
    discardedBytes += chunk.length;
    if (discardedBytes > maxDiscardedBytes) socket.destroy();
  });
  request.resume();
}
