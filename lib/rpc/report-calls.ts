/*
 * What happens around every handler: its errors become what callers may see,
 * each is logged once, and no call outlives its reasons to live.
 *
 *   C1. A call ends when its signal aborts, with the reason of the abort, even
 *       when the handler is deaf to the signal or ends as if nothing had
 *       happened.
 *   C2. A stream ends with TOKEN_EXPIRED when its token expires, with
 *       TOKEN_REVOKED when it is taken back; a unary call ends with
 *       DEADLINE_EXCEEDED after `longestUnaryMs` at the latest.
 *   C3. A failure of ours (INTERNAL) is logged with its cause and never shown.
 *   C4. When a call ends, its timer and its listeners are gone, whoever ended it.
 *   C5. A stream of requests that can not be read ends the call with the reason
 *       of that, whatever the handler, or a service behind, makes of it.
 */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { DomainError } from "../errors/domain-error.ts";
import type { Logger } from "../log/log.ts";
import { callerIn } from "./authenticate.ts";
import { fromConnectError } from "./from-connect-error.ts";
import type { Revocations } from "./revocations.ts";
import { explainConnectError, toConnectError } from "./to-connect-error.ts";
import { tokenRevoked } from "./tokens.ts";

/** Longer than any call that waits on purpose, so that only a stuck one meets it. */
const longestUnaryMs = 10 * 60_000;

/** The longest that `setTimeout` can wait; it would fire at once for longer. */
const longestTimerMs = 2 ** 31 - 1;

type CallRequest = Parameters<ReturnType<Interceptor>>[0];

/** Maps, logs and bounds every call of a server (C1 to C4). */
export function reportCalls(log: Logger, revocations?: Revocations): Interceptor {
  return (next) => async (request) => {
    const call = new Call(request, log, revocations);
    try {
      const response = await call.unlessAborted(next(call.bounded(request)));
      if (response.stream) return { ...response, message: call.messages(response.message) };
      call.end();
      return response;
    } catch (thrown) {
      throw call.fail(thrown);
    }
  };
}

class Call {
  readonly #rpc: string;
  readonly #log: Logger;
  readonly #startedAt = performance.now();
  readonly #own = new AbortController();
  readonly #caller: AbortSignal;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #watch: Disposable | undefined;
  #interrupt: ((reason: unknown) => void) | undefined;

  constructor(
    { method, stream, signal, contextValues }: CallRequest,
    log: Logger,
    revocations: Revocations | undefined,
  ) {
    this.#rpc = `${method.parent.typeName}/${method.name}`;
    this.#log = log;
    this.#caller = signal;
    this.#caller.addEventListener("abort", this.#onCallerAbort);
    if (signal.aborted) this.#onCallerAbort();
    const caller = callerIn(contextValues);
    if (!stream) this.#timer = this.#abortAfter(longestUnaryMs, tooLong);
    else if (caller !== undefined) {
      this.#timer = this.#abortAfter(caller.expiresAt.getTime() - Date.now(), tokenExpired);
      this.#watch = revocations?.onRevoked(caller, () => this.#abort(toConnectError(tokenRevoked())));
    }
  }

  /** Aborts when the caller's does, and when the call has lived for too long. */
  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** The request as the handler gets it: with our signal, and read by us where it is a stream (C1, C5). */
  bounded(request: CallRequest): CallRequest {
    if (!request.stream) return { ...request, signal: this.signal };
    return { ...request, signal: this.signal, message: this.#read(request.message) };
  }

  async *#read<Message>(requests: AsyncIterable<Message>): AsyncGenerator<Message> {
    try {
      yield* requests;
    } catch (thrown) {
      if (thrown instanceof ConnectError) {
        // What can not be read is the caller's mistake, whatever Connect calls it: a frame that is none.
        if (thrown.code === Code.Internal) Object.assign(thrown, { code: Code.InvalidArgument });
        explainConnectError(thrown);
      }
      this.#abort(thrown);
      throw thrown;
    }
  }

  /** What `work` becomes, or a rejection with the reason of an abort that comes first (C1). One at a time. */
  unlessAborted<Result>(work: Promise<Result>): Promise<Result> {
    // One listener for all messages of a stream: racing each of them against
    // one long-lived promise would keep every message's reaction in memory.
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.signal.aborted) reject(this.signal.reason);
      work.then(resolve, reject);
    });
  }

  /** The messages of a stream, until it ends or is ended. */
  async *messages<Message>(source: AsyncIterable<Message>): AsyncGenerator<Message> {
    const iterator = source[Symbol.asyncIterator]();
    let error: unknown;
    // A deaf handler answers this only when it comes back from its wait.
    const leave = (): void => void iterator.return?.().catch(() => undefined);
    // Nobody may be reading at that moment, or ever again.
    this.signal.addEventListener("abort", leave, { once: true });
    try {
      for (;;) {
        const { done, value } = await this.unlessAborted(iterator.next());
        if (done === true) break;
        yield value;
      }
      this.signal.throwIfAborted();
    } catch (thrown) {
      error = this.fail(thrown);
      throw error;
    } finally {
      leave();
      if (error === undefined) this.end();
    }
  }

  /** To be called once when the call ends well. */
  end(): void {
    this.#release();
    this.#log.debug({ rpc: this.#rpc, durationMs: this.#durationMs() }, "call answered");
  }

  /** To be called once when the call fails; answers what the caller may see. */
  fail(thrown: unknown): ConnectError {
    this.#release();
    const error = toConnectError(thrown);
    logFailure(this.#log, { rpc: this.#rpc, durationMs: this.#durationMs() }, error);
    return error;
  }

  #durationMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }

  #abortAfter(ms: number, reason: () => ConnectError): NodeJS.Timeout {
    return setTimeout(() => this.#abort(reason()), Math.min(Math.max(ms, 0), longestTimerMs)).unref();
  }

  readonly #onCallerAbort = () => {
    this.#abort(this.#caller.reason);
  };

  #abort(reason: unknown): void {
    this.#release();
    this.#own.abort(reason);
    this.#interrupt?.(reason);
  }

  #release(): void {
    clearTimeout(this.#timer);
    this.#watch?.[Symbol.dispose]();
    this.#caller.removeEventListener("abort", this.#onCallerAbort);
  }
}

/** Logs a failed call once: a defect of ours as `error`, an outage as `warn`, what the caller did as `debug`. */
export function logFailure(
  log: Logger,
  fields: { readonly rpc: string; readonly durationMs?: number },
  error: ConnectError,
): void {
  const code = Code[error.code];
  if (error.code === Code.Internal || error.code === Code.Unknown || error.code === Code.DataLoss) {
    log.error({ ...fields, code, err: error.cause ?? error }, "call failed");
    return;
  }
  const { reason } = fromConnectError(error);
  if (error.code === Code.Unavailable) log.warn({ ...fields, code, reason, err: error.cause }, "call failed");
  else log.debug({ ...fields, code, reason }, "call refused");
}

function tooLong(): ConnectError {
  return new ConnectError("the call has taken longer than any call may", Code.DeadlineExceeded);
}

function tokenExpired(): ConnectError {
  return toConnectError(new DomainError("TOKEN_EXPIRED", "the token has expired"));
}
