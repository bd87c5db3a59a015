import type { Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { Certificates } from "./certificates.ts";
import type { ConnectionServer } from "./http1-server.ts";
import type { PeerLimits } from "./peer-limits.ts";

export interface TlsServerOptions {
  readonly certificates: Certificates;
  /** Whether every peer must show a certificate of one of the authorities. */
  readonly mutual: boolean;
  readonly limits: PeerLimits;
  /** Gets a connection when both sides have agreed on the protocol that is spoken inside. */
  readonly secured: (socket: Socket, protocol: "http1" | "http2") => void;
}

/** Speaks TLS 1.2 and 1.3. A peer that takes too long, or shows no certificate where it must, is cut off. */
export function tlsServer({ certificates, mutual, limits, secured }: TlsServerOptions): ConnectionServer {
  let isDraining = false;
  const server = createServer({
    ...certificates.current,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.peekTimeoutMs,
    requestCert: mutual,
    rejectUnauthorized: mutual,
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    if (isDraining) socket.destroy();
    else secured(socket, socket.alpnProtocol === "h2" ? "http2" : "http1");
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return {
    take(socket) {
      const changed = certificates.changed();
      if (changed !== undefined) server.setSecureContext(changed);
      server.emit("connection", socket);
    },
    drain() {
      isDraining = true;
    },
  };
}

/** Tells a peer that speaks HTTP without TLS what is spoken here, and hangs up. */
export function answerPlainHttp(socket: Socket): void {
  const text = "this port speaks HTTPS\n";
  const head = [
    "HTTP/1.1 400 Bad Request",
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${text.length}`,
  ];
  // What is left unread when a socket is closed would make its peer lose the answer.
  socket.resume();
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy());
}
