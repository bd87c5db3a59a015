/*
 * One TCP port for HTTP/1.1 and HTTP/2: without TLS told apart by their first
 * bytes, with TLS by what both sides agree on, and then nothing without.
 *
 *   P1. Every socket has an error handler from its first moment, and is in
 *       `sockets` until it is closed.
 *   P2. A socket belongs to nobody before its protocol is known, for
 *       `peekTimeoutMs` at most; then to one of the servers, with every byte
 *       that was read put back. A handshake of TLS takes as long at most.
 *   P3. `close` takes no new connection, lets what is being answered end for
 *       `graceMs`, then calls `abandon` and gives it `lastWordsMs` to reach the
 *       peers; what is left is destroyed. It waits for no peer beyond that.
 *   P4. One address has `maxConnections` at most; any further is closed at once.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { delay } from "../async/delay.ts";
import type { Certificates } from "./certificates.ts";
import { http1Server } from "./http1-server.ts";
import { http2Server } from "./http2-server.ts";
import { type PeerLimits, publicPeers } from "./peer-limits.ts";
import { recognise } from "./recognise.ts";
import { answerPlainHttp, tlsServer } from "./tls-server.ts";
import type { HttpHandler } from "./unknown-route.ts";

/** The time that calls which are abandoned have to say so. */
const lastWordsMs = 1_000;

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
  /** Makes the port speak TLS alone. `mutual`: every peer must show a certificate, too. */
  readonly tls?: { readonly certificates: Certificates; readonly mutual: boolean } | undefined;
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
  const tls =
    options.tls &&
    tlsServer({
      ...options.tls,
      limits,
      secured: (socket, protocol) => (protocol === "http2" ? http2 : http1).take(socket),
    });
  const drain = () => {
    tls?.drain();
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
  const crowd = new Crowd(limits.maxConnections);
  acceptor.on("connection", (socket) => {
    if (!crowd.admits(socket)) {
      socket.destroy(); // P4
      return;
    }
    sockets.add(socket);
    strangers.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      strangers.delete(socket);
    });
    socket.on("error", () => socket.destroy()); // P1
    recognise(socket, limits.peekTimeoutMs, (protocol) => {
      strangers.delete(socket);
      if (tls === undefined) (protocol === "http2" ? http2 : http1).take(socket);
      else if (protocol === "tls") tls.take(socket);
      else answerPlainHttp(socket);
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

async function within(ms: number, closed: Promise<boolean>): Promise<boolean> {
  const timer = new AbortController();
  const isClosed = await Promise.race([closed, delay(ms, timer.signal).then(() => false)]);
  timer.abort();
  return isClosed;
}

/** Who is connected, by address. */
class Crowd {
  readonly #max: number;
  readonly #connections = new Map<string, number>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts a connection until it is closed, unless its address has as many as it may. */
  admits(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const count = this.#connections.get(address) ?? 0;
    if (count >= this.#max) return false;
    this.#connections.set(address, count + 1);
    socket.once("close", () => {
      const left = (this.#connections.get(address) ?? 1) - 1;
      if (left === 0) this.#connections.delete(address);
      else this.#connections.set(address, left);
    });
    return true;
  }
}
