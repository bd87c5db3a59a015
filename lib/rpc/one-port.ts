/*
 * One TCP port for HTTP/1.1 and for HTTP/2 without TLS, told apart by the
 * connection preface.
 *
 *   P1. Every socket has an error handler from its first moment, and is in
 *       `sockets` until it is closed.
 *   P2. A socket belongs to nobody before its protocol is known, for
 *       `peekTimeoutMs` at most; then to one of the two servers, with every byte
 *       that was read put back.
 *   P3. `close` takes no new connection, lets what is being answered end for
 *       `graceMs`, then calls `abandon` and gives it `lastWordsMs` to reach the
 *       peers; what is left is destroyed. It waits for no peer beyond that.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { delay } from "../async/delay.ts";
import { http1Server } from "./http1-server.ts";
import { http2Server } from "./http2-server.ts";
import { type PeerLimits, publicPeers } from "./peer-limits.ts";
import type { HttpHandler } from "./unknown-route.ts";

/** The time that calls which are abandoned have to say so. */
const lastWordsMs = 1_000;

/** How every HTTP/2 connection begins (RFC 9113 §3.4), as far as it takes to know. */
const http2Preface = Buffer.from("PRI * HTTP/2.0");

export interface OnePort {
  /** The port in use, also when any was asked for by 0. */
  readonly port: number;
  /** Ends all connections and resolves when they are closed, in bounded time (P3). */
  close(ending: { readonly graceMs: number; readonly abandon: () => void }): Promise<void>;
}

export interface OnePortOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** Answers every request of either protocol. */
  readonly handle: HttpHandler;
  /** Takes over the connections of peers that ask to speak WebSocket. Default: none may. */
  readonly upgrade?: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined;
  /** Default `publicPeers`. */
  readonly limits?: PeerLimits | undefined;
}

/** Listens. Rejects when the port is not to be had. */
export async function onePort(options: OnePortOptions): Promise<OnePort> {
  const { handle, limits = publicPeers } = options;
  const http1 = http1Server(handle, limits, options.upgrade);
  const http2 = http2Server(handle, limits);
  const drain = () => {
    http1.drain();
    http2.drain();
  };

  const sockets = new Set<Socket>();
  const strangers = new Set<Socket>();
  const acceptor = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: limits.pingEveryMs,
  });
  acceptor.on("connection", (socket) => {
    sockets.add(socket);
    strangers.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      strangers.delete(socket);
    });
    socket.on("error", () => socket.destroy()); // P1
    recognise(socket, limits.peekTimeoutMs, (protocol) => {
      strangers.delete(socket);
      (protocol === "http2" ? http2 : http1).take(socket);
    });
  });
  await listening(acceptor, options).catch((error: unknown) => {
    drain();
    throw error;
  });

  return {
    port: (acceptor.address() as AddressInfo).port,
    async close({ graceMs, abandon }) {
      const closed = once(acceptor, "close").then(() => true);
      acceptor.close();
      for (const socket of strangers) socket.destroy();
      drain();
      if (await within(graceMs, closed)) return;
      abandon();
      if (await within(lastWordsMs, closed)) return;
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function listening(server: Server, { host, port }: OnePortOptions): Promise<void> {
  server.listen({ host, port });
  await once(server, "listening");
}

/** Reads just enough to know what a peer speaks, and says so unless the peer takes too long (P2). */
function recognise(
  socket: Socket,
  timeoutMs: number,
  recognised: (protocol: "http1" | "http2") => void,
): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once("close", () => clearTimeout(timer));
  let read = Buffer.alloc(0);
  const look = (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    const seen = Math.min(read.length, http2Preface.length);
    const isPreface = read.subarray(0, seen).equals(http2Preface.subarray(0, seen));
    if (isPreface && seen < http2Preface.length) return;
    clearTimeout(timer);
    socket.off("data", look);
    socket.pause();
    socket.unshift(read);
    recognised(isPreface ? "http2" : "http1");
  };
  socket.on("data", look);
}

async function within(ms: number, closed: Promise<boolean>): Promise<boolean> {
  const timer = new AbortController();
  const isClosed = await Promise.race([closed, delay(ms, timer.signal).then(() => false)]);
  timer.abort();
  return isClosed;
}
