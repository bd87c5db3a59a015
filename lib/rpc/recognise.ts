import type { Socket } from "node:net";

/** What a peer speaks, by its first bytes. Whatever is nothing else is taken for HTTP/1.1, which answers it with 400. */
export type Protocol = "http1" | "http2" | "tls";

/** How every HTTP/2 connection without TLS begins (RFC 9113 §3.4), as far as it takes to know. */
const http2Preface = Buffer.from("PRI * HTTP/2.0");

/** The type of the record that every TLS connection begins with (RFC 8446 §5.1). */
const tlsHandshake = 22;

/**
 * Reads just enough of a connection to know what its peer speaks, puts that back
 * and says so. A peer that takes longer than `timeoutMs` is cut off.
 */
export function recognise(socket: Socket, timeoutMs: number, recognised: (protocol: Protocol) => void): void {
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  socket.once("close", () => clearTimeout(timer));
  let read = Buffer.alloc(0);
  const look = (chunk: Buffer) => {
    read = Buffer.concat([read, chunk]);
    const protocol = protocolOf(read);
    if (protocol === undefined) return;
    clearTimeout(timer);
    socket.off("data", look);
    socket.pause();
    socket.unshift(read);
    recognised(protocol);
  };
  socket.on("data", look);
}

/** Undefined when it takes more to know. */
function protocolOf(read: Buffer): Protocol | undefined {
  if (read[0] === tlsHandshake) return "tls";
  const seen = Math.min(read.length, http2Preface.length);
  if (!read.subarray(0, seen).equals(http2Preface.subarray(0, seen))) return "http1";
  return seen === http2Preface.length ? "http2" : undefined;
}
