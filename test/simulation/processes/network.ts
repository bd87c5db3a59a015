/*
 * Calls between processes, as Connect transports.
 *
 *   C1. A message crosses as bytes, so nobody shares memory with another process.
 *   C2. A call may be lost on the way there or back, and may arrive twice.
 *   C3. Who calls a process that is dead, or dies, learns of it after a while;
 *       who calls one that is stopped or cut off waits until the connection is
 *       given up.
 *   C4. The callee authenticates by the same rules as behind a socket.
 */
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ContextValues,
  createContextValues,
  type HandlerContext,
  type Transport,
} from "@connectrpc/connect";
import type { TokenAudience } from "../../../lib/rpc/access.ts";
import { authenticate } from "../../../lib/rpc/authenticate.ts";
import type { RunningService } from "../../../lib/rpc/running-service.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { aCaller } from "../../support/a-caller.ts";
import { type Chances, latency } from "../scenario/chances.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";

/** How long it takes until a connection to who does not answer is given up, in milliseconds. */
const giveUpMs = { low: 50, high: 4_000 };

type Handler = (request: unknown, context: HandlerContext) => Promise<Record<string, unknown>>;

/** What a process serves. */
interface Served {
  readonly service: Pick<RunningService, "access">;
  readonly handlers: ReadonlyMap<string, Readonly<Record<string, Handler>>>;
}

/** Who is told of calls, to check them. */
export interface CallWatcher {
  /** A call is made. */
  sent(method: string, from: SimulatedProcess, request: () => unknown): void;
  /** The answer to a call arrives. */
  answered(call: {
    readonly method: string;
    readonly from: SimulatedProcess;
    readonly to: SimulatedProcess;
    readonly sentMs: number;
    readonly request: () => unknown;
    readonly answer: unknown;
  }): void;
  /** A call ended in what its callee holds for a defect of its own. */
  broken(method: string, to: SimulatedProcess, error: unknown): void;
}

export class Network {
  readonly #world: World;
  readonly #chances: Chances;
  readonly #watcher: CallWatcher;
  readonly #served = new Map<SimulatedProcess, Served>();

  constructor({
    world,
    chances,
    watcher,
  }: {
    readonly world: World;
    readonly chances: Chances;
    readonly watcher: CallWatcher;
  }) {
    this.#world = world;
    this.#chances = chances;
    this.#watcher = watcher;
  }

  /** Has a process answer calls from here on. */
  serve(process: SimulatedProcess, service: Pick<RunningService, "access" | "routes">): void {
    const handlers = new Map<string, Readonly<Record<string, Handler>>>();
    const router = {
      service: (desc: { readonly typeName: string }, implementation: unknown) => {
        handlers.set(desc.typeName, implementation as Readonly<Record<string, Handler>>);
        return router;
      },
    };
    service.routes(router as unknown as ConnectRouter);
    this.#served.set(process, { service, handlers });
  }

  /** Has a process answer no calls from here on. */
  withdraw(process: SimulatedProcess): void {
    this.#served.delete(process);
  }

  /** Calls whichever process `target` names at the moment, as a client with a token. */
  transport(
    from: SimulatedProcess,
    target: () => SimulatedProcess | undefined,
    token: { readonly clientId: string; readonly audience: TokenAudience },
  ): Transport {
    return {
      unary: async (method, signal, timeoutMs, _header, input) => {
        const request = toBinary(method.input, create(method.input, input));
        const call = { method, request, from, to: target(), token, timeoutMs };
        const message = await this.#call(call, signal);
        return {
          stream: false,
          service: method.parent,
          method,
          header: new Headers(),
          trailer: new Headers(),
          message,
        };
      },
      stream: async () => {
        throw new ConnectError("streams are not simulated", Code.Unimplemented);
      },
    };
  }

  async #call<I extends DescMessage, O extends DescMessage>(
    call: {
      readonly method: DescMethodUnary<I, O>;
      readonly request: Uint8Array;
      readonly from: SimulatedProcess;
      readonly to: SimulatedProcess | undefined;
      readonly token: { readonly clientId: string; readonly audience: TokenAudience };
      readonly timeoutMs: number | undefined;
    },
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    const { method, request, from, to, timeoutMs } = call;
    const world = this.#world;
    const chances = this.#chances;
    const { promise, resolve, reject } = Promise.withResolvers<MessageShape<O>>();
    const gone = new AbortController();
    const abort = (): void => {
      reject(ConnectError.from(signal?.reason, Code.Canceled));
      world.after(this.#travelMs(), () => gone.abort(), to);
    };
    if (signal?.aborted === true) throw ConnectError.from(signal.reason, Code.Canceled);
    signal?.addEventListener("abort", abort, { once: true });
    const late =
      timeoutMs === undefined
        ? undefined
        : world.after(
            timeoutMs,
            () => reject(new ConnectError("the deadline has passed", Code.DeadlineExceeded)),
            from,
          );
    const giveUp = () =>
      world.after(
        world.random.between(giveUpMs.low, giveUpMs.high),
        () => reject(new ConnectError("the connection was lost", Code.Unavailable)),
        from,
      );
    const sentMs = world.nowMs;
    const readRequest = () => fromBinary(method.input, request);
    this.#watcher.sent(method.name, from, readRequest);
    const isAnswerLost = world.random.chance(chances.answerLost);
    const arrive = (): void => {
      if (to === undefined || to.isDead || to.isCutOff) return;
      this.#handle(call, to, gone.signal).then(
        (answer) => {
          if (isAnswerLost || from.isCutOff || to.isCutOff) return;
          world.after(
            this.#travelMs(),
            () => {
              const read = fromBinary(method.output, answer);
              this.#watcher.answered({
                method: method.name,
                from,
                to,
                sentMs,
                request: readRequest,
                answer: read,
              });
              resolve(read);
            },
            from,
          );
        },
        (error: ConnectError) => {
          if (!isAnswerLost) world.after(this.#travelMs(), () => reject(error), from);
        },
      );
    };
    const isLost = to === undefined || from.isCutOff || to.isCutOff || world.random.chance(chances.callLost);
    if (isLost || to.isDead || isAnswerLost) giveUp();
    if (!isLost) {
      world.after(this.#travelMs(), arrive, to);
      if (world.random.chance(chances.callDoubled)) world.after(this.#travelMs() * 20, arrive, to);
      this.#watchEnd(to, giveUp, () => isSettled);
    }
    let isSettled = false;
    return await promise.finally(() => {
      isSettled = true;
      if (late !== undefined) late.isCancelled = true;
      signal?.removeEventListener("abort", abort);
    });
  }

  /** Gives a call up when its callee dies or is cut off before the answer. */
  #watchEnd(to: SimulatedProcess, giveUp: () => void, isSettled: () => boolean): void {
    const look = (): void => {
      if (isSettled()) return;
      if (to.isDead || to.isCutOff) giveUp();
      else this.#world.after(1_000, look);
    };
    this.#world.after(1_000, look);
  }

  /** Carries a call out, in the life of the callee. Rejects with a ConnectError. */
  async #handle(
    {
      method,
      request,
      token,
    }: {
      readonly method: DescMethodUnary;
      readonly request: Uint8Array;
      readonly token: { readonly clientId: string; readonly audience: TokenAudience };
    },
    to: SimulatedProcess,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const served = this.#served.get(to);
    const handler = served?.handlers.get(method.parent.typeName)?.[method.localName];
    if (served === undefined || handler === undefined) {
      throw new ConnectError("nobody listens there", Code.Unavailable);
    }
    const values: ContextValues = createContextValues();
    const requestHeader = new Headers({ authorization: `Bearer ${token.clientId}` });
    const context = { method, values, signal, requestHeader } as unknown as HandlerContext;
    try {
      await authenticate(context, served.service.access, async () => aCaller(token));
      const answer = await handler(fromBinary(method.input, request), context);
      return toBinary(method.output, create(method.output, answer));
    } catch (thrown) {
      const error = toConnectError(thrown);
      if (error.code === Code.Internal) this.#watcher.broken(method.name, to, thrown);
      throw error;
    }
  }

  #travelMs(): number {
    return latency(this.#world.random, this.#chances, { low: 0.1, high: 1 });
  }
}
