import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { HttpAnswer } from "../http/route.ts";

/** Answers a request for a WebSocket with a refusal, and closes the connection. */
export function refuseHandshake(socket: Duplex, { status, headers, body }: HttpAnswer): void {
  const text = JSON.stringify(body ?? {});
  const all = {
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
    connection: "close",
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${String(value)}`);
  // Its end is not waited for: the peer may never send one.
  socket.once("finish", () => socket.destroy());
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...lines, "", text].join("\r\n"));
}
