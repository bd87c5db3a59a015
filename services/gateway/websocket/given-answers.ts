/*
 * The answers that come over one WebSocket.
 *
 *   G1. What has arrived is carried out, also when the socket is closed by then:
 *       clients send and close at once.
 *   G2. Answers are carried out one after the other, in the order in which they
 *       came. While many wait, the socket is read no further.
 *   G3. An answer goes by one request id, so that repeating it after an outage
 *       answers no second question.
 */
import { randomUUID } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import type { RawData, WebSocket } from "ws";
import { z } from "zod";
import type { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Backoff } from "../../../lib/async/backoff.ts";
import { isPassing } from "../events/followed-task.ts";
import { refusalOf } from "../http/http-error.ts";
import { answerText } from "../routes/waldiez/answer-text.ts";

/** So many may wait. */
const longestQueue = 32;

/** A peer that does not read this many bytes is told nothing more about what it sends. */
const mostUnreadBytes = 2 * 1_048_576;

/** How long one call may take, and for how long it is repeated while there is an outage. */
const callMs = 10_000;
const repeatForMs = 30_000;

const answer = z.object({ request_id: z.string(), data: z.string() });

type GivenAnswer = z.output<typeof answer>;

export interface GivenAnswersNeeds {
  readonly taskId: string;
  readonly taskio: Pick<Client<typeof TaskIOService>, "sendInput">;
  /** Carries an answer to a prompt out, unless the caller may not just then, and takes it down. */
  readonly guarded: (promptId: string, work: () => Promise<void>) => Promise<void>;
  /** Is told of what must not happen. */
  readonly onDefect: (thrown: unknown) => void;
  /** Aborts when the server stops: nothing is repeated any more. */
  readonly closing: AbortSignal;
}

/** Takes what a peer sends, and tells it what is refused; of what is accepted it hears by the transcript. */
export class GivenAnswers {
  readonly #peer: WebSocket;
  readonly #needs: GivenAnswersNeeds;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  /** Listens from now on. */
  constructor(peer: WebSocket, needs: GivenAnswersNeeds) {
    this.#peer = peer;
    this.#needs = needs;
    peer.on("message", (message) => this.#take(message));
  }

  /** Resolves when everything that has arrived is carried out. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #take(message: RawData): void {
    const given = parsed(message);
    if (given === undefined) {
      this.#tell({ error: "Invalid input payload" });
      return;
    }
    this.#waiting += 1;
    if (this.#waiting >= longestQueue) this.#peer.pause();
    this.#last = this.#last.then(() => this.#carryOut(given));
  }

  async #carryOut(given: GivenAnswer): Promise<void> {
    try {
      await this.#needs.guarded(given.request_id, async () => await this.#send(given));
    } catch (thrown) {
      const { status, message, reason, cause } = refusalOf(thrown, "waldiez");
      if (status === 500) this.#needs.onDefect(cause);
      this.#tell({ error: message, ...(reason && { reason }), request_id: given.request_id });
    } finally {
      this.#waiting -= 1;
      if (this.#peer.isPaused) this.#peer.resume();
    }
  }

  async #send({ request_id: promptId, data }: GivenAnswer): Promise<void> {
    const { taskio, taskId, closing } = this.#needs;
    const input = { taskId, promptId, text: answerText(data), requestId: randomUUID() };
    const untilMs = performance.now() + repeatForMs;
    const backoff = new Backoff({ firstMs: 100, maxMs: 3_000 });
    for (;;) {
      try {
        await taskio.sendInput(input, { timeoutMs: callMs });
        return;
      } catch (thrown) {
        if (closing.aborted || performance.now() > untilMs || !isPassing(thrown)) throw thrown;
      }
      await backoff.wait(closing);
    }
  }

  /** Says something to a peer that is still there and listens. */
  #tell(said: object): void {
    const { readyState, OPEN, bufferedAmount } = this.#peer;
    if (readyState === OPEN && bufferedAmount < mostUnreadBytes) this.#peer.send(JSON.stringify(said));
  }
}

function parsed(message: RawData): GivenAnswer | undefined {
  try {
    // One buffer, as is the default of `ws`.
    const read = answer.safeParse(JSON.parse((message as Buffer).toString()));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}
