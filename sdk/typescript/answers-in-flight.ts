import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AttachRequestSchema } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";

/** An answer was not taken. */
export class AnswerRefused extends Error {
  override readonly name = "AnswerRefused";
  /** `PROMPT_CLOSED` when somebody else answered, or the attempt that asked has ended; others as in the contract. */
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

type Request = MessageInitShape<typeof AttachRequestSchema>;

interface InFlight {
  readonly promptId: string;
  readonly text: string;
  readonly requestId: string;
  readonly settled: PromiseWithResolvers<void>;
}

/**
 * Answers that the server has not confirmed. Each keeps its request id over all
 * the streams that it is sent on, so the server takes it once.
 */
export class AnswersInFlight {
  readonly #unconfirmed = new Map<string, InFlight>();
  #bell = Promise.withResolvers<void>();

  /** Whether an answer waits for its confirmation. */
  get isWaiting(): boolean {
    return this.#unconfirmed.size > 0;
  }

  /** Sends an answer with the next stream, or the present one. Resolves when it is stored; rejects with an `AnswerRefused`, or as `abandon` says. */
  add(promptId: string, text: string): Promise<void> {
    const answer = { promptId, text, requestId: randomUUID(), settled: Promise.withResolvers<void>() };
    this.#unconfirmed.set(answer.requestId, answer);
    this.#ring();
    return answer.settled.promise;
  }

  /** The requests of one stream after its first: every unconfirmed answer once, then new ones as they come, until the signal aborts. */
  async *requests(signal: AbortSignal): AsyncIterable<Request> {
    const sent = new Set<string>();
    const stop = () => this.#ring();
    signal.addEventListener("abort", stop, { once: true });
    try {
      while (!signal.aborted) {
        const bell = this.#bell.promise;
        for (const { promptId, text, requestId } of this.#unconfirmed.values()) {
          if (sent.has(requestId)) continue;
          sent.add(requestId);
          yield { request: { case: "answer", value: { promptId, text, requestId } } };
        }
        await bell;
      }
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** The server took it. */
  accepted(requestId: string): void {
    this.#unconfirmed.get(requestId)?.settled.resolve();
    this.#unconfirmed.delete(requestId);
  }

  /** The server refused it. */
  refused(requestId: string, refusal: AnswerRefused): void {
    this.#unconfirmed.get(requestId)?.settled.reject(refusal);
    this.#unconfirmed.delete(requestId);
  }

  /** Nothing will be confirmed any more. */
  abandon(reason: unknown): void {
    for (const { settled } of this.#unconfirmed.values()) settled.reject(reason);
    this.#unconfirmed.clear();
  }

  #ring(): void {
    const { resolve } = this.#bell;
    this.#bell = Promise.withResolvers<void>();
    resolve();
  }
}
