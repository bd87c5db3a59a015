/*
 * Replaces what programs learn time and chance from by what the present world
 * says: timers, clocks, random numbers. Only for a process that does nothing
 * but simulate, before it loads anything that is simulated.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { createRequire, syncBuiltinESMExports } from "node:module";
import type { WorldEvent } from "./event-queue.ts";
import type { World } from "./world.ts";

let present: World | undefined;

/** Makes a world the one that timers and clocks belong to; undefined gives time back to the machine. */
export function enter(world: World | undefined): void {
  present = world;
}

/** Replaces the globals. Must be called once, and first. */
export function replaceGlobals(): void {
  const require = createRequire(import.meta.url);
  const real = { Date: globalThis.Date, now: performance.now.bind(performance), random: Math.random };

  class VirtualDate extends real.Date {
    constructor(...given: [] | [value: number | string | Date]) {
      if (given.length > 0) super(...(given as [number]));
      else super(present === undefined ? real.Date.now() : present.wallMs);
    }

    static override now(): number {
      return present === undefined ? real.Date.now() : present.wallMs;
    }
  }
  globalThis.Date = VirtualDate as DateConstructor;
  Object.defineProperty(performance, "now", { value: () => present?.monotonicMs ?? real.now() });
  Math.random = () => present?.random.next() ?? real.random();

  replaceChance(require("node:crypto") as Chance);

  const clear = (timer: Timer | undefined): void => {
    if (timer !== undefined) timer.event.isCancelled = true;
  };
  Object.assign(globalThis, {
    setTimeout: (run: (...given: unknown[]) => void, ms?: number, ...given: unknown[]) =>
      startTimer(timeoutOf(ms), () => run(...given)),
    clearTimeout: clear,
    setImmediate: (run: (...given: unknown[]) => void, ...given: unknown[]) =>
      startTimer(0, () => run(...given)),
    clearImmediate: clear,
    setInterval: () => {
      throw new Error("no production code uses intervals");
    },
  });
  AbortSignal.timeout = (ms: number) => {
    const controller = new AbortController();
    startTimer(timeoutOf(ms), () =>
      controller.abort(new DOMException("the deadline has passed", "TimeoutError")),
    );
    return controller.signal;
  };
  const promised = require("node:timers/promises") as { setTimeout: typeof wait };
  promised.setTimeout = wait;
  syncBuiltinESMExports();
}

/** What of node:crypto draws by chance, as far as production uses it. */
interface Chance {
  randomUUID: () => string;
  randomBytes: (size: number) => Buffer;
  generateKeyPairSync: (type: "x25519") => { publicKey: KeyObject; privateKey: KeyObject };
}

/** What a private X25519 key begins with in PKCS #8; its 32 bytes follow. */
const privateKeyHead = Buffer.from("302e020100300506032b656e04220420", "hex");

function replaceChance(crypto: Chance): void {
  const { randomUUID, randomBytes, generateKeyPairSync } = crypto;
  crypto.randomUUID = () => present?.random.uuid() ?? randomUUID();
  crypto.randomBytes = (size) =>
    present === undefined ? randomBytes(size) : Buffer.from(present.random.bytes(size));
  crypto.generateKeyPairSync = (type) => {
    if (present === undefined) return generateKeyPairSync(type);
    const key = Buffer.concat([privateKeyHead, present.random.bytes(32)]);
    const privateKey = createPrivateKey({ key, format: "der", type: "pkcs8" });
    return { privateKey, publicKey: createPublicKey(privateKey) };
  };
}

interface Timer {
  readonly event: WorldEvent;
  unref(): Timer;
  ref(): Timer;
}

/** `setTimeout` of node:timers/promises. */
async function wait<Value>(
  ms: number,
  value: Value,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<Value> {
  if (signal?.aborted === true) throw new DOMException("The operation was aborted", "AbortError");
  const { promise, resolve, reject } = Promise.withResolvers<Value>();
  const timer = startTimer(timeoutOf(ms), () => {
    signal?.removeEventListener("abort", abort);
    resolve(value);
  });
  const abort = (): void => {
    timer.event.isCancelled = true;
    reject(new DOMException("The operation was aborted", "AbortError"));
  };
  signal?.addEventListener("abort", abort, { once: true });
  return await promise;
}

/** As in Node, a timer takes a millisecond at least. */
function timeoutOf(ms: number | undefined): number {
  return ms !== undefined && ms > 1 ? ms : 1;
}

function startTimer(ms: number, run: () => void): Timer {
  if (present === undefined) throw new Error("a timer was started outside of the simulated world");
  const { current } = present;
  const timer: Timer = {
    event: present.after(ms / (current?.clockRate ?? 1), run, current),
    unref: () => timer,
    ref: () => timer,
  };
  return timer;
}
