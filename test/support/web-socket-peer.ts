import { once } from "node:events";
import type { ClientRequest, IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { type ClientOptions, WebSocket } from "ws";
import { until } from "./until.ts";

/** A frame as the peers of these tests read it. */
export interface Frame {
  readonly type?: string;
  readonly id?: string;
  readonly data?: unknown;
  readonly request_id?: string;
  readonly error?: string;
  readonly reason?: string;
}

/** How a socket was closed. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A client of WebSockets that keeps what it hears. Disposing cuts it off. */
export class WebSocketPeer implements Disposable {
  readonly socket: WebSocket;
  readonly frames: Frame[] = [];
  readonly closed: Promise<Closed>;
  readonly #failed: Promise<unknown>;

  constructor(
    url: string,
    { protocols = [], ...options }: ClientOptions & { readonly protocols?: string[] } = {},
  ) {
    this.socket = new WebSocket(url.replace(/^http/, "ws"), protocols, options);
    this.socket.on("message", (message: Buffer) => this.frames.push(JSON.parse(message.toString()) as Frame));
    this.closed = new Promise((resolve) => {
      this.socket.once("close", (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    this.#failed = new Promise((resolve) => this.socket.on("error", resolve));
  }

  /** Resolves when the handshake is accepted; rejects when it is not. */
  async opened(): Promise<this> {
    // It may have been while another one was waited for.
    if (this.socket.readyState === WebSocket.OPEN) return this;
    await Promise.race([
      once(this.socket, "open"),
      this.#failed.then((error) => {
        throw error;
      }),
    ]);
    return this;
  }

  /** The frames of some kinds, once there are so many. */
  async heard(count: number, ...types: readonly string[]): Promise<readonly Frame[]> {
    const wanted = () => this.frames.filter(({ type }) => types.length === 0 || types.includes(type ?? ""));
    return await until(`${count} frames`, () => (wanted().length >= count ? wanted() : undefined), 60_000);
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  [Symbol.dispose](): void {
    this.socket.terminate();
  }
}

/** What a handshake is refused with. Rejects when it is accepted. */
export async function refusedHandshake(
  url: string,
  options: ClientOptions & { readonly protocols?: string[] } = {},
): Promise<{
  readonly status: number;
  readonly body: { readonly detail?: string; readonly reason?: string };
}> {
  using peer = new WebSocketPeer(url, options);
  const refused = once(peer.socket, "unexpected-response") as Promise<[ClientRequest, IncomingMessage]>;
  const opened = once(peer.socket, "open").then(() => {
    throw new Error("the handshake was accepted");
  });
  const [, response] = await Promise.race([refused, opened]);
  opened.catch(() => undefined);
  const body = await text(response);
  return { status: response.statusCode ?? 0, body: JSON.parse(body === "" ? "{}" : body) as object };
}
