/*
 * Speaks HTTP/2, with TLS around it or without, and keeps its sessions in order.
 *
 *   H1. A session that never had a request ends after `firstRequestMs`, one
 *       without an open stream after `idleMs`; an open stream keeps it.
 *   H2. A session whose peer does not answer a ping by the next one is
 *       destroyed, and its streams with it.
 *   H3. A peer that opens and resets streams faster than anybody needs to is
 *       told to go (the attack called rapid reset).
 */
import { createServer, type ServerHttp2Session } from "node:http2";
import { delay } from "../async/delay.ts";
import type { ConnectionServer } from "./http1-server.ts";
import { maxHeaderBytes, type PeerLimits } from "./peer-limits.ts";
import type { HttpHandler } from "./unknown-route.ts";

/** What a peer may send on one stream before it is read; the default of 64 KiB makes large messages wait for round trips. */
const streamWindowBytes = 256 * 1024;

/** The same for all streams of a session together. */
const sessionWindowBytes = 1024 * 1024;

/** Four times what it may have open at once, and then so many a second: about nghttp2's own default for public peers. */
const resetsPerStream = { burst: 4, perSecond: 1 / 8 };

/** Node's bound on what it keeps for one session, in megabytes; its default of 10 does not hold one of our largest messages. */
const sessionMemory = (maxStreams: number): number => Math.max(64, Math.ceil(maxStreams / 40));

/** What is remembered of a session besides its streams. */
interface Attendance {
  openStreams: number;
  /** When the last stream closed, or the session began; by the monotonic clock. */
  idleSince: number;
  hadRequest: boolean;
  owesPong: boolean;
}

/** Speaks HTTP/2. */
export function http2Server(handle: HttpHandler, limits: PeerLimits): ConnectionServer {
  const { maxStreams } = limits;
  const sessions = new Map<ServerHttp2Session, Attendance>();
  const ended = new AbortController();
  const server = createServer(
    {
      settings: {
        maxConcurrentStreams: maxStreams,
        maxHeaderListSize: maxHeaderBytes,
        initialWindowSize: streamWindowBytes,
        enablePush: false,
      },
      maxSessionMemory: sessionMemory(maxStreams),
      streamResetBurst: maxStreams * resetsPerStream.burst,
      streamResetRate: Math.ceil(maxStreams * resetsPerStream.perSecond),
    },
    handle,
  );
  server.on("session", (session) => {
    const attendance = { openStreams: 0, idleSince: performance.now(), hadRequest: false, owesPong: false };
    sessions.set(session, attendance);
    session.setLocalWindowSize(sessionWindowBytes);
    session.once("close", () => sessions.delete(session));
    // A broken session closes its socket; there is nothing else to do about it.
    session.on("error", () => undefined);
    session.on("stream", (stream) => {
      attendance.openStreams += 1;
      attendance.hadRequest = true;
      stream.once("close", () => {
        attendance.openStreams -= 1;
        attendance.idleSince = performance.now();
      });
    });
  });
  void attendLoop(sessions, limits, ended.signal);
  return {
    take(socket) {
      server.emit("connection", socket);
    },
    drain() {
      ended.abort();
      for (const session of sessions.keys()) session.close();
    },
  };
}

async function attendLoop(
  sessions: ReadonlyMap<ServerHttp2Session, Attendance>,
  limits: PeerLimits,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await delay(limits.pingEveryMs, signal);
    if (signal.aborted) return;
    for (const [session, attendance] of sessions) attend(session, attendance, limits);
  }
}

function attend(session: ServerHttp2Session, attendance: Attendance, limits: PeerLimits): void {
  // It is between being destroyed and saying so, when a ping would throw.
  if (session.destroyed) return;
  const idleMs = performance.now() - attendance.idleSince;
  const mayBeIdleMs = attendance.hadRequest ? limits.idleMs : limits.firstRequestMs;
  if (attendance.owesPong) {
    session.destroy(); // H2
  } else if (attendance.openStreams === 0 && idleMs > mayBeIdleMs) {
    session.close(); // H1
  } else {
    attendance.owesPong = session.ping((error) => {
      if (error === null) attendance.owesPong = false;
    });
  }
}
