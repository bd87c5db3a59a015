import { once } from "node:events";
import { chmod, chown, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { setImmediate } from "node:timers/promises";
import { BoundedLines } from "./bounded-lines.ts";
import {
  longestResultLine,
  type ProgramMessage,
  parseProgramMessage,
  type StartMessage,
  type WorkerMessage,
  workerMessageLine,
} from "./program-message.ts";

/*
 * The private socket between one program and its worker (ANTIPHON_SOCKET).
 *
 *   C1. Nothing that a program sends, or refuses to read, throws here or grows
 *       memory without bound: a line is at most 1 MiB, `messagesPerSecond` are
 *       read, about `queuedBytes` wait for the reader; beyond that the sockets
 *       are not read and the program waits.
 *   C2. A line that is no message is counted and dropped; the rest is unharmed.
 *   C3. An answer goes to the connection that asked; when that one is gone, to
 *       all, since the asker may have connected again.
 *   C4. After the program's end, what it had sent is still read to its end.
 */

const connectionsAtMost = 8;
const messagesPerSecond = 1000;
const queuedBytes = 1024 * 1024;
const openPromptsAtMost = 64;

/** A program that does not read what it is told loses the connection at this many waiting bytes. */
const unreadBytesAtMost = 8 * 1024 * 1024;

/** What a program says, bounded and checked, in order; for one reader. */
export interface ProgramChannel extends AsyncIterable<ProgramMessage> {
  /** Tells the program. An input goes to who asked; a cancel to all, also to who connects later. */
  send(message: WorkerMessage): void;
  /** How many lines were no message within the bounds, so far. */
  readonly droppedLines: number;
}

interface Queued {
  readonly message: ProgramMessage;
  readonly bytes: number;
}

/** The worker's end of the socket. */
export class SocketChannel implements ProgramChannel {
  readonly #server: Server;
  readonly #start: StartMessage;
  readonly #sockets = new Set<Socket>();
  readonly #askers = new Map<string, Socket>();
  readonly #queue: Queued[] = [];
  readonly #heldBy = new Set<"queue" | "rate">();
  #queuedBytes = 0;
  #allowance = messagesPerSecond;
  #allowanceAt = performance.now();
  #rateTimer: NodeJS.Timeout | undefined;
  #droppedLines = 0;
  #cancelled = false;
  #finished = false;
  #wake: (() => void) | undefined;

  private constructor(start: StartMessage) {
    this.#start = start;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.on("error", () => undefined);
  }

  /** Listens on `path`, which only `uid` (and root) may use. Throws when the path cannot be bound. */
  static async listen({
    path,
    uid,
    gid,
    start,
  }: {
    path: string;
    uid: number;
    gid: number;
    start: StartMessage;
  }) {
    const channel = new SocketChannel(start);
    await rm(path, { force: true });
    const listening = once(channel.#server, "listening");
    channel.#server.listen(path);
    await listening;
    await chmod(path, 0o600);
    await chown(path, uid, gid);
    return channel;
  }

  get droppedLines(): number {
    return this.#droppedLines;
  }

  send(message: WorkerMessage): void {
    if (message.type === "cancel") this.#cancelled = true;
    const asker = message.type === "input" ? this.#askers.get(message.promptId) : undefined;
    if (message.type === "input") this.#askers.delete(message.promptId);
    const line = workerMessageLine(message);
    for (const socket of asker ? [asker] : this.#sockets) write(socket, line);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ProgramMessage> {
    for (;;) {
      const next = this.#queue.shift();
      if (next) {
        this.#queuedBytes -= next.bytes;
        if (this.#queuedBytes < queuedBytes / 2) this.#release("queue");
        yield next.message;
        continue;
      }
      if (this.#finished) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** To be called when the program has ended: the messages end with what it has sent. */
  async finish(): Promise<void> {
    // A program may have connected, spoken and ended before this process looked at its socket: two turns of the
    // event loop accept whatever waits in the kernel.
    await setImmediate();
    await setImmediate();
    this.#server.close();
    this.#endIfDone();
  }

  /** Closes everything; what was not read is lost. */
  async close(): Promise<void> {
    clearTimeout(this.#rateTimer);
    this.#heldBy.clear();
    const closed = this.#server.listening ? once(this.#server, "close") : undefined;
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#finished = true;
    this.#wake?.();
  }

  #accept(socket: Socket): void {
    if (this.#sockets.size >= connectionsAtMost) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const lines = new BoundedLines(longestResultLine);
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => this.#read(socket, lines, chunk));
    socket.once("end", () => socket.end());
    socket.once("close", () => {
      if (lines.hasRest) this.#droppedLines += 1;
      this.#forget(socket);
    });
    ignoreFailedWrites(socket);
    if (this.#heldBy.size > 0) socket.pause();
    write(socket, workerMessageLine({ type: "start", ...this.#start }));
    if (this.#cancelled) write(socket, workerMessageLine({ type: "cancel" }));
  }

  #read(socket: Socket, lines: BoundedLines, chunk: Buffer): void {
    let count = 0;
    for (const line of lines.take(chunk)) {
      count += 1;
      const message = line && parseProgramMessage(line);
      if (message === undefined || !this.#acceptPrompt(socket, message)) {
        this.#droppedLines += 1;
        continue;
      }
      this.#queue.push({ message, bytes: line?.length ?? 0 });
      this.#queuedBytes += line?.length ?? 0;
    }
    if (this.#queuedBytes >= queuedBytes) this.#hold("queue");
    this.#spend(count);
    this.#wake?.();
  }

  /** Notes who asked. A question that repeats an open one of the same connection, or is one too many, is none. */
  #acceptPrompt(socket: Socket, message: ProgramMessage): boolean {
    if (message.type !== "input_request") return true;
    if (this.#askers.has(message.promptId)) return false;
    if (this.#askers.size >= openPromptsAtMost) {
      write(socket, workerMessageLine({ type: "input", promptId: message.promptId }));
      return false;
    }
    this.#askers.set(message.promptId, socket);
    return true;
  }

  #spend(count: number): void {
    const now = performance.now();
    const regained = ((now - this.#allowanceAt) / 1000) * messagesPerSecond;
    this.#allowance = Math.min(messagesPerSecond, this.#allowance + regained) - count;
    this.#allowanceAt = now;
    if (this.#allowance >= 0 || this.#heldBy.has("rate")) return;
    this.#hold("rate");
    const untilRegainedMs = (-this.#allowance / messagesPerSecond) * 1000;
    this.#rateTimer = setTimeout(() => this.#release("rate"), untilRegainedMs);
  }

  #hold(reason: "queue" | "rate"): void {
    this.#heldBy.add(reason);
    for (const socket of this.#sockets) socket.pause();
  }

  #release(reason: "queue" | "rate"): void {
    if (!this.#heldBy.delete(reason) || this.#heldBy.size > 0) return;
    for (const socket of this.#sockets) socket.resume();
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    for (const [promptId, asker] of this.#askers) if (asker === socket) this.#askers.delete(promptId);
    this.#endIfDone();
  }

  #endIfDone(): void {
    if (this.#server.listening || this.#sockets.size > 0) return;
    this.#finished = true;
    this.#wake?.();
  }
}

/**
 * Lets a socket be read to its end after a write has failed.
 *
 * A program that says its last word and ends may do so before we have told it
 * something. Node would destroy the socket for the failed write (EPIPE), with
 * what is still to be read; the end of the reading side tells all that matters.
 */
function ignoreFailedWrites(socket: Socket): void {
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, () => done());
  if (writev) socket._writev = (chunks, done) => writev(chunks, () => done());
}

function write(socket: Socket, line: string): void {
  if (!socket.writable) return;
  socket.write(line);
  if (socket.writableLength > unreadBytesAtMost) socket.destroy();
}
