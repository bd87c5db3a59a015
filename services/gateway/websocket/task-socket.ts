/*
 * The life of one WebSocket that watches a task.
 *
 *   W1. Frames go out in the order of the transcript. While the peer does not take
 *       them, no more is read of the task, and of what was read no more than
 *       `mostUnsentBytes` and one entry waits here.
 *   W2. A line that has not ended is sent when nothing followed for `lineWaitMs`.
 *   W3. It is closed with 1000 after the last frame of a task that has ended, with
 *       1001 when the server stops, else with what close-reason.ts says.
 *   W4. A peer that neither answers a ping nor takes nor sends anything until the
 *       next ping is gone.
 *   W5. It is over when the socket is closed and every answer that arrived is
 *       carried out (given-answers.ts, G1).
 */
import type { WebSocket } from "ws";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { Bell } from "../../../lib/async/bell.ts";
import { delay } from "../../../lib/async/delay.ts";
import type { News } from "../events/followed-task.ts";
import { answerPings } from "./answer-pings.ts";
import { type CloseReason, closeReasonOf, ended, goingAway, internalError } from "./close-reason.ts";
import type { GivenAnswers } from "./given-answers.ts";
import type { TranscriptFrames } from "./transcript-frames.ts";

const mostUnsentBytes = 1_048_576;
/** Longer than a chunk of output takes on its way, so that lines are seldom torn. */
const lineWaitMs = 500;
const pingEveryMs = 20_000;

/** What a socket is to send, and until when. */
export interface TaskSocketNeeds {
  /** The first frame. */
  readonly status: string;
  readonly news: AsyncIterable<News>;
  readonly frames: TranscriptFrames;
  readonly answers: Pick<GivenAnswers, "settled">;
  /** A line to end a completed task with. */
  readonly lastLine?: string | undefined;
  /** Is told of what must not happen. */
  readonly onDefect: (thrown: unknown) => void;
  /** Aborts when the server stops. */
  readonly closing: AbortSignal;
  /** To be told that the socket is closed, which ends the news. */
  readonly over: AbortController;
}

/** Serves a socket from the moment it is accepted; resolves when it is over (W5). */
export async function taskSocket(peer: WebSocket, needs: TaskSocketNeeds): Promise<void> {
  await new TaskSocket(peer, needs).serve();
}

class TaskSocket {
  readonly #peer: WebSocket;
  readonly #needs: TaskSocketNeeds;
  readonly #over: AbortSignal;
  readonly #sent = new Bell();
  #lineTimer: NodeJS.Timeout | undefined;
  #isAlive = true;

  constructor(peer: WebSocket, needs: TaskSocketNeeds) {
    this.#peer = peer;
    this.#needs = needs;
    this.#over = needs.over.signal;
  }

  async serve(): Promise<void> {
    const { closing, over, answers } = this.#needs;
    const closed = new Promise<void>((resolve) => {
      this.#peer.once("close", () => {
        over.abort();
        resolve();
      });
    });
    // What is wrong with a peer's frames closes the socket, which is all there is to do.
    this.#peer.on("error", () => undefined);
    const alive = (): void => {
      this.#isAlive = true;
    };
    answerPings(this.#peer);
    this.#peer.on("pong", alive);
    this.#peer.on("message", alive);
    const stop = (): void => this.#close(goingAway);
    closing.addEventListener("abort", stop);
    if (closing.aborted) stop();
    const pinging = this.#ping();
    this.#close(await this.#write());
    await closed;
    closing.removeEventListener("abort", stop);
    await pinging;
    await answers.settled();
  }

  /** Sends frames until there are no more, or the socket is closed (W1). */
  async #write(): Promise<CloseReason> {
    const { status, news, frames, onDefect } = this.#needs;
    this.#send([status]);
    try {
      for await (const item of news) {
        clearTimeout(this.#lineTimer);
        if (item.case === "entry") this.#send(frames.entry(item.value));
        if (item.case === "end") {
          this.#send(frames.end(item.value.state === TaskState.COMPLETED ? this.#needs.lastLine : undefined));
          return ended;
        }
        await this.#room();
        if (frames.hasRest) this.#lineTimer = setTimeout(() => this.#send(frames.flush()), lineWaitMs); // W2
      }
      return ended;
    } catch (thrown) {
      const reason = closeReasonOf(thrown);
      if (reason === internalError) onDefect(thrown);
      return reason;
    } finally {
      clearTimeout(this.#lineTimer);
    }
  }

  #send(frames: readonly string[]): void {
    for (const frame of frames) this.#peer.send(frame, this.#onSent);
  }

  /** The peer, or what lies on the way to it, took something. */
  readonly #onSent = (): void => {
    this.#isAlive = true;
    this.#sent.ring();
  };

  async #room(): Promise<void> {
    while (this.#peer.bufferedAmount > mostUnsentBytes && !this.#over.aborted)
      await this.#sent.heard(this.#over);
  }

  #close({ code, text }: CloseReason): void {
    this.#peer.close(code, text);
  }

  /** W4 */
  async #ping(): Promise<void> {
    while (!this.#over.aborted) {
      if (!this.#isAlive) this.#peer.terminate();
      this.#isAlive = false;
      if (this.#peer.readyState === this.#peer.OPEN) this.#peer.ping();
      await delay(pingEveryMs, this.#over);
    }
  }
}
