import type { RunEvent } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Antiphon, isUnreachable } from "../sdk/typescript/antiphon.ts";

/** So many facts come with one call. */
const pageSize = 500;

/** The facts of a run's history, each once and in order. */
export class RunEvents {
  readonly #antiphon: Antiphon;
  readonly #runId: string;
  readonly #withChanges: boolean;
  #seen: number;
  /** Of the page that was read last: what comes later will be on it or after. */
  #pageToken = "";

  constructor(
    antiphon: Antiphon,
    {
      runId,
      withChanges,
      afterSeq,
    }: { readonly runId: string; readonly withChanges: boolean; readonly afterSeq: number },
  ) {
    this.#antiphon = antiphon;
    this.#runId = runId;
    this.#withChanges = withChanges;
    this.#seen = afterSeq;
  }

  /** Those that there are. May be asked for again. */
  async *soFar(): AsyncGenerator<RunEvent> {
    for (;;) {
      const page = await this.#antiphon.scheduler.listRunEvents({
        runId: this.#runId,
        withChanges: this.#withChanges,
        pageSize,
        pageToken: this.#pageToken,
      });
      for (const event of page.events) {
        if (event.seq <= this.#seen) continue;
        this.#seen = event.seq;
        yield event;
      }
      if (page.nextPageToken === "") return;
      this.#pageToken = page.nextPageToken;
    }
  }

  /** Those that there are and that come, until the run has ended; across broken connections. */
  async *toEnd(): AsyncGenerator<RunEvent> {
    for await (const { kind } of this.#antiphon.watchRuns([this.#runId])) {
      if (kind !== "snapshot" && kind !== "change") continue;
      try {
        yield* this.soFar();
      } catch (error) {
        // The watch says when the server is back, and gives up when it stays away.
        if (!isUnreachable(error)) throw error;
      }
    }
    yield* this.soFar();
  }
}
