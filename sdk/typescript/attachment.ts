/*
 * One task, watched and answered over one stream at a time, which is opened
 * again where it broke.
 *
 *   A1. Every entry of the transcript after the cursor comes once and in order,
 *       however often the stream breaks: it is taken up after the last one seen.
 *   A2. An answer is sent until it is confirmed or refused, under one request id.
 *   A3. "end" is the last event. Without it the iteration throws: what can not
 *       be resumed at once, an outage after `giveUpAfterMs` without any news.
 *   A4. Leaving the iteration, or aborting the signal, ends the stream; answers
 *       that are not confirmed by then reject.
 *   A5. Waiting for the confirmation of an answer between two events is allowed:
 *       the stream is read all the same. Else an event that is not taken holds
 *       the stream up, and no more than `longestQueue` pile up.
 */
import { setTimeout } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { AttachResponse, TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import {
  PromptClosed_How as How,
  type PromptClosed,
  type Snapshot,
  type TaskNews,
} from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { AnswerRefused, AnswersInFlight } from "./answers-in-flight.ts";
import { EventQueue } from "./event-queue.ts";
import { OpenQuestions, type QuestionNews } from "./open-questions.ts";
import { Patience } from "./patience.ts";
import { mayResume } from "./refusal.ts";
import { cursorOf, type TaskEvent, transcriptEvent } from "./task-event.ts";

/** So many events may wait to be taken before the stream is read no further. */
const longestQueue = 100;

/** A question whose place in the transcript has passed is put when nothing came for so long. */
const quietMs = 300;

const defaultGiveUpAfterMs = 60_000;

/** Where a task stands. */
type TaskAt = Pick<Snapshot, "state" | "attempt">;

export interface AttachmentOptions {
  readonly taskId: string;
  /** The cursor of the last entry that is not wanted again (`2-17`); the whole transcript when unset. */
  readonly after?: string;
  readonly signal?: AbortSignal;
  /** How long an outage is sat out; default 60 s. */
  readonly giveUpAfterMs?: number;
}

/** A watch of one task, to be iterated once. */
export class Attachment implements AsyncIterable<TaskEvent> {
  readonly #taskio: Pick<Client<typeof TaskIOService>, "attach">;
  readonly #taskId: string;
  readonly #signal: AbortSignal;
  readonly #patience: Patience;
  readonly #questions = new OpenQuestions();
  readonly #answers = new AnswersInFlight();
  readonly #queue = new EventQueue<TaskEvent>();
  readonly #left = new AbortController();
  #cursor: string;
  #told: TaskAt | undefined;
  #ended = false;

  constructor(
    taskio: Pick<Client<typeof TaskIOService>, "attach">,
    { taskId, after = "", signal, giveUpAfterMs = defaultGiveUpAfterMs }: AttachmentOptions,
  ) {
    this.#taskio = taskio;
    this.#taskId = taskId;
    this.#cursor = after;
    this.#patience = new Patience(giveUpAfterMs);
    this.#signal = signal === undefined ? this.#left.signal : AbortSignal.any([signal, this.#left.signal]);
  }

  /** After which entry another watch would go on. */
  get cursor(): string {
    return this.#cursor;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TaskEvent> {
    const watching = this.#watch();
    try {
      yield* this.#queue.take();
    } finally {
      this.#left.abort();
      this.#queue.ring();
      this.#answers.abandon(new AnswerRefused("PROMPT_CLOSED", "the task is not watched any more"));
      await watching;
    }
  }

  /** Brings events into the queue, over one stream after another, until the task's end or a failure. */
  async #watch(): Promise<void> {
    let broken = false;
    while (!this.#ended) {
      try {
        for await (const response of this.#stream()) {
          this.#patience.reset();
          if (broken) this.#queue.push({ kind: "reconnected" });
          broken = false;
          for (const event of this.#events(response)) this.#queue.push(event);
          await this.#room();
        }
        // A stream that ends without the task's end was cut off.
        if (!this.#ended) throw new ConnectError("the stream ended early", Code.Unavailable);
      } catch (thrown) {
        if (this.#signal.aborted || !mayResume(thrown)) return this.#queue.finish({ error: thrown });
        if (!broken) this.#queue.push({ kind: "reconnecting", error: thrown });
        broken = true;
        if (!(await this.#patience.pause(this.#signal))) return this.#queue.finish({ error: thrown });
      }
    }
    this.#queue.finish({});
  }

  /** Waits until the queue is short, but not while an answer waits for its confirmation: its sender may be who takes the events (A5). */
  async #room(): Promise<void> {
    while (this.#queue.size >= longestQueue && !this.#answers.isWaiting && !this.#signal.aborted) {
      await this.#queue.change();
    }
  }

  /** The responses of one stream, and "quiet" when a question waits for it. */
  async *#stream(): AsyncGenerator<AttachResponse["response"] | "quiet"> {
    const over = new AbortController();
    const signal = AbortSignal.any([this.#signal, over.signal]);
    const responses = this.#taskio.attach(this.#requests(over.signal), { signal })[Symbol.asyncIterator]();
    try {
      let next = responses.next();
      for (;;) {
        const first = this.#questions.hasUnplaced ? await firstOf(next, quietMs) : await next;
        if (first === "quiet") {
          yield first;
          continue;
        }
        if (first.done === true) return;
        yield first.value.response;
        next = responses.next();
      }
    } finally {
      over.abort();
    }
  }

  async *#requests(over: AbortSignal) {
    const open = { taskId: this.#taskId, after: this.#cursor };
    yield { request: { case: "open" as const, value: open } };
    yield* this.#answers.requests(over);
  }

  *#events(response: AttachResponse["response"] | "quiet"): Iterable<TaskEvent> {
    if (response === "quiet") {
      yield* this.#asEvents(this.#questions.putUnplaced());
      return;
    }
    switch (response.case) {
      case "news":
        yield* this.#news(response.value.news);
        return;
      case "accepted":
        this.#answers.accepted(response.value.requestId);
        return;
      case "refused": {
        const { requestId, promptId, reason, message } = response.value;
        this.#answers.refused(requestId, new AnswerRefused(reason, message));
        if (reason !== "PROMPT_CLOSED") yield* this.#asEvents(this.#questions.again(promptId));
        return;
      }
      case undefined:
        return;
    }
  }

  *#news(news: TaskNews["news"]): Iterable<TaskEvent> {
    switch (news.case) {
      case "snapshot":
        yield* this.#state(news.value);
        yield* this.#asEvents(this.#questions.snapshot(news.value.openPrompts));
        return;
      case "entry": {
        const event = transcriptEvent(news.value);
        this.#cursor = cursorOf(news.value);
        if (event !== undefined) yield event;
        if (event?.kind === "asked") yield* this.#asEvents(this.#questions.placed(event.promptId));
        return;
      }
      case "stateChanged":
        yield* this.#state(news.value);
        return;
      case "promptOpened":
        if (news.value.prompt !== undefined) yield* this.#asEvents(this.#questions.opened(news.value.prompt));
        return;
      case "promptClosed":
        yield* this.#asEvents(this.#questions.closed(news.value.promptId), news.value);
        return;
      case "end":
        this.#ended = true;
        yield { kind: "end", state: news.value.state, failure: news.value.failure };
        return;
      case "heartbeat":
      case undefined:
        return;
    }
  }

  /** The task's state, unless it is the one that was told last: a stream that is taken up begins with it again. */
  *#state({ state, attempt }: TaskAt): Iterable<TaskEvent> {
    if (this.#told?.state === state && this.#told.attempt === attempt) return;
    this.#told = { state, attempt };
    yield { kind: "state", state, attempt };
  }

  #reply(promptId: string, answer: string): Promise<void> {
    const confirmed = this.#answers.add(promptId, answer);
    this.#queue.ring();
    return confirmed;
  }

  *#asEvents(
    news: readonly QuestionNews[],
    { how, answeredBy }: Pick<PromptClosed, "how" | "answeredBy"> = { how: How.UNSPECIFIED, answeredBy: "" },
  ): Iterable<TaskEvent> {
    for (const item of news) {
      if (item.kind === "closed") {
        const answered = how === How.ANSWERED;
        const timedOut = how === How.TIMED_OUT;
        yield { kind: "prompt_closed", promptId: item.promptId, answered, timedOut, answeredBy };
        continue;
      }
      const { promptId, text, password, choices } = item.prompt;
      const reply = (answer: string) => this.#reply(promptId, answer);
      yield { kind: "prompt", promptId, text, password, choices, reply };
    }
  }
}

async function firstOf<Value>(next: Promise<Value>, ms: number): Promise<Value | "quiet"> {
  const came = new AbortController();
  // It may fail while nobody waits for it, when the iteration is left after a "quiet".
  next.catch(() => undefined);
  const quiet = setTimeout(ms, "quiet" as const, { signal: came.signal }).catch(() => "quiet" as const);
  try {
    return await Promise.race([next, quiet]);
  } finally {
    came.abort();
  }
}
