import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { delay } from "../../../lib/async/delay.ts";
import type { SocketChannel } from "./channel.ts";
import { type Collection, type CollectLimits, collectArtifacts, defaultCollectLimits } from "./collect.ts";
import type { Launched, NotLaunched } from "./launch.ts";
import type { EndingLimit, ProgramLimits } from "./limits.ts";
import { programEnd } from "./program-end.ts";
import { resultFile } from "./program-environment.ts";
import type { ProgramStreams } from "./program-streams.ts";
import type { PausableClock, ProgramEnd, SandboxedProgram } from "./sandbox.ts";
import { WallClock } from "./wall-clock.ts";

/*
 * One program from its start to the moment its slot is empty.
 *
 *   R1. There is one way to the end: the first process ends, by itself or by a
 *       stop; then everything else is killed; then `exited` resolves.
 *   R2. The first stop decides which limit the end names. A later one only
 *       hastens it.
 *   R3. Output is not cut by the end: with no process left, the streams end
 *       when their reader has read them.
 */

/** How often limits are looked at that nothing else holds. A look costs a few system calls. */
const lookEveryMs = 200;

/** What a failed start may say for itself. */
const longestReason = 2000;

/** How long a failed start may take to say it. */
const reasonWithinMs = 500;

/** What a running program is made of. */
interface Parts {
  readonly launch: Launched | NotLaunched;
  readonly streams: ProgramStreams;
  readonly channel: SocketChannel;
  readonly limits: ProgramLimits;
  /** Ends the program at once, also before it ran. */
  readonly signal: AbortSignal | undefined;
  /** Told once, when all is over: whether the slot is empty as far as it is known. */
  readonly onDisposed: (isEmpty: boolean) => Promise<void>;
}

/** A started program, whatever isolates it. */
export class RunningProgram implements SandboxedProgram {
  readonly exited: Promise<ProgramEnd>;
  readonly #parts: Parts;
  readonly #clock: WallClock;
  readonly #over = new AbortController();
  #stopping: { readonly limit: EndingLimit | undefined } | undefined;
  #killTimer: NodeJS.Timeout | undefined;
  #killAt = Number.POSITIVE_INFINITY;
  #hasEnded = false;
  #isEmpty = false;
  #disposed: Promise<void> | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#clock = new WallClock(
      parts.limits.wallMs,
      () => void this.stop({ graceMs: 0, limit: "wall_time" }),
    );
    this.exited =
      parts.launch.kind === "launched" ? this.#live(parts.launch) : this.#neverLived(parts.launch);
  }

  get stdin() {
    return this.#parts.streams.stdin;
  }

  get stdout() {
    return this.#parts.streams.stdout;
  }

  get stderr() {
    return this.#parts.streams.stderr;
  }

  get channel(): SocketChannel {
    return this.#parts.channel;
  }

  get clock(): PausableClock {
    return this.#clock;
  }

  async stop({ graceMs, limit }: { graceMs: number; limit?: EndingLimit }): Promise<ProgramEnd> {
    const { launch } = this.#parts;
    if (this.#over.signal.aborted || launch.kind !== "launched") return await this.exited;
    const isFirst = this.#stopping === undefined;
    this.#stopping ??= { limit };
    if (isFirst && graceMs > 0) launch.terminate();
    const killAt = performance.now() + graceMs;
    if (killAt < this.#killAt) {
      this.#killAt = killAt;
      clearTimeout(this.#killTimer);
      this.#killTimer = setTimeout(() => void launch.kill(), graceMs);
    }
    return await this.exited;
  }

  async collect(limits: CollectLimits = defaultCollectLimits): Promise<Collection> {
    const { launch } = this.#parts;
    if (!this.#hasEnded) throw new Error("artifacts are collected after the program's end");
    if (launch.kind !== "launched") return { artifacts: [], refused: [], refusedCount: 0 };
    return await collectArtifacts(launch.home.path, limits);
  }

  async resultFile(maxBytes: number): Promise<Uint8Array | undefined> {
    const { launch } = this.#parts;
    return launch.kind === "launched" ? await launch.home.readFile(resultFile, maxBytes) : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #live(launch: Launched): Promise<ProgramEnd> {
    const { channel, signal } = this.#parts;
    const abort = () => void this.stop({ graceMs: 0 });
    signal?.addEventListener("abort", abort, { signal: this.#over.signal });
    this.#clock.start();
    const watched = this.#watch(launch);
    const exit = await launch.ended;
    this.#over.abort();
    this.#clock.stop();
    clearTimeout(this.#killTimer);
    this.#isEmpty = await launch.kill();
    await watched;
    await channel.finish();
    this.#hasEnded = true;
    return programEnd(exit, { stoppedFor: this.#stopping?.limit, outOfMemory: launch.outOfMemory() });
  }

  async #neverLived({ isEmpty, reason: fault }: NotLaunched): Promise<ProgramEnd> {
    const { signal, streams, channel } = this.#parts;
    this.#over.abort();
    this.#isEmpty = isEmpty;
    const reason = fault ?? (await said(streams.stderr));
    await channel.finish();
    this.#hasEnded = true;
    return signal?.aborted ? { kind: "signalled", signal: "SIGKILL" } : { kind: "failed_to_start", reason };
  }

  async #watch(launch: Launched): Promise<void> {
    const { signal } = this.#over;
    while (!signal.aborted) {
      // A home that cannot be looked at belongs to a program that is ending.
      const limit = await launch.passedLimit().catch(() => undefined);
      if (limit) void this.stop({ graceMs: 0, limit });
      await delay(lookEveryMs, signal);
    }
  }

  async #dispose(): Promise<void> {
    const { launch, streams, channel, onDisposed } = this.#parts;
    void this.stop({ graceMs: 0 });
    await this.exited;
    await channel.close();
    await streams.close();
    if (launch.kind !== "launched") return await onDisposed(this.#isEmpty);
    launch.home.close();
    const isRemoved = await launch.remove();
    await onDisposed(this.#isEmpty && isRemoved);
  }
}

/** What a sandbox that did not come to stand said, without a program's output in it. */
async function said(stderr: Readable): Promise<string> {
  let text = "";
  stderr.setEncoding("utf8");
  stderr.on("data", (chunk: string) => {
    text = (text + chunk).slice(0, longestReason);
  });
  await Promise.race([finished(stderr).catch(() => undefined), delay(reasonWithinMs)]);
  return text.trim() || "the sandbox ended without a word";
}
