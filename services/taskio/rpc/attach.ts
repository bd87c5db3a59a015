import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  AttachRequest,
  AttachRequest_Answer,
  AttachResponseSchema,
} from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { Bell } from "../../../lib/async/bell.ts";
import { answering } from "../../../lib/rpc/access.ts";
import { admit, callerOf } from "../../../lib/rpc/authenticate.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { taskOf } from "../access.ts";
import { type AnswersNeeds, answer } from "../answers.ts";
import { invalidField, validAnswer, validOpen } from "../validate.ts";
import type { Watching } from "../watching.ts";
import { askerOf } from "./asker.ts";
import type { WatchNeeds } from "./watch.ts";

/** Replies that are not taken yet; at this number no more answers are read. */
const maxReplies = 64;

/** How often a full list of replies is looked at besides. */
const checkMs = 60_000;

type Response = MessageInitShape<typeof AttachResponseSchema>;

/** Follows one task and answers its prompts, until the task has ended. */
export function attach({ feeds, states, answers }: WatchNeeds & { readonly answers: AnswersNeeds }) {
  return async function* (
    requests: AsyncIterable<AttachRequest>,
    context: HandlerContext,
  ): AsyncGenerator<Response> {
    const asker = askerOf(context);
    const incoming = requests[Symbol.asyncIterator]();
    const first = await incoming.next();
    if (first.done === true || first.value.request.case !== "open")
      throw invalidField("open", "must come first");
    const { taskId, after } = validOpen(first.value.request.value);
    const state = await taskOf(asker, { taskId, states });

    using watching = feeds.watch([{ state, after }]);
    const replies = new Replies(watching, context.signal);
    // Not awaited at the end: it waits for the caller's next message, and rejects when the call is over.
    replies.take(incoming, async (given) => {
      admit(callerOf(context), answering);
      await answer(asker, { ...given, taskId }, answers);
    });
    while (!watching.hasEnded) {
      context.signal.throwIfAborted();
      const taken = await watching.take();
      for (const response of replies.next()) yield response;
      for (const news of taken) yield { response: { case: "news", value: news } };
      if (taken.length === 0) await watching.wait(context.signal);
    }
    for (const response of replies.next()) yield response;
  };
}

/** What the caller's answers came to. They are handled one after the other. */
class Replies {
  readonly #watching: Pick<Watching, "ring">;
  readonly #signal: AbortSignal;
  readonly #responses: Response[] = [];
  readonly #taken = new Bell();
  #fault: { readonly error: unknown } | undefined;

  constructor(watching: Pick<Watching, "ring">, signal: AbortSignal) {
    this.#watching = watching;
    this.#signal = signal;
  }

  /** Handles what comes in; what it comes to is told by `next`. */
  take(incoming: AsyncIterator<AttachRequest>, handle: (given: AttachRequest_Answer) => Promise<void>): void {
    this.#takeAll(incoming, handle).catch((error: unknown) => {
      this.#fault = { error };
      this.#watching.ring();
    });
  }

  /** What there is to say; throws what ends the stream. */
  next(): Response[] {
    if (this.#fault !== undefined) throw this.#fault.error;
    this.#taken.ring();
    return this.#responses.splice(0);
  }

  async #takeAll(
    incoming: AsyncIterator<AttachRequest>,
    handle: (given: AttachRequest_Answer) => Promise<void>,
  ): Promise<void> {
    for (;;) {
      while (this.#responses.length >= maxReplies) {
        this.#signal.throwIfAborted();
        await this.#taken.heard(this.#signal, checkMs);
      }
      const message = await incoming.next();
      if (message.done === true) return;
      const { request } = message.value;
      if (request.case !== "answer") throw invalidField("answer", "is all that may follow the first message");
      this.#responses.push(await replyTo(request.value, handle));
      this.#watching.ring();
    }
  }
}

async function replyTo(
  given: AttachRequest_Answer,
  handle: (given: AttachRequest_Answer) => Promise<void>,
): Promise<Response> {
  const { promptId, requestId } = given;
  try {
    validAnswer(given);
    await handle(given);
    return { response: { case: "accepted", value: { promptId, requestId } } };
  } catch (thrown) {
    const { reason, message } = fromConnectError(toConnectError(thrown));
    if (reason === undefined) throw thrown;
    return { response: { case: "refused", value: { promptId, requestId, reason, message } } };
  }
}
