import type { Client } from "@connectrpc/connect";
import {
  type RunEvent as HistoryEvent,
  type Run as RunRecord,
  RunState,
} from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { jsonBytes, jsonOf } from "./json-bytes.ts";
import { isFinalRun, RunWatch, type WatchRunOptions } from "./run-watch.ts";

/** A run did not complete. */
export class RunNotCompleted extends Error {
  override readonly name = "RunNotCompleted";
  /** The run as it ended: its state, and why in `failure`. */
  readonly run: RunRecord;

  constructor(run: RunRecord) {
    super(run.failure?.message ?? `run ${run.runId} was cancelled`);
    this.run = run;
  }
}

/** One run: to be watched, steered and waited for. Each mutation is repeated under one request id, so it counts once. */
export class Run {
  readonly id: string;
  readonly #scheduler: Client<typeof SchedulerService>;

  constructor(scheduler: Client<typeof SchedulerService>, id: string) {
    this.#scheduler = scheduler;
    this.id = id;
  }

  /** The run with its tasks as they stand. */
  async get(): Promise<RunRecord> {
    const { run } = await this.#scheduler.getRun({ runId: this.id });
    return existing(run, this.id);
  }

  /** Follows it to its end: how it stands, then every change once and in order. Survives broken connections. */
  watch(options?: WatchRunOptions): RunWatch {
    return new RunWatch(this.#scheduler, [this.id], options);
  }

  /** What the completed nodes gave so far, by their ids. */
  async results(): Promise<Readonly<Record<string, unknown>>> {
    const { results } = await this.#scheduler.getRunResults({ runId: this.id });
    return Object.fromEntries(Object.entries(results).map(([node, bytes]) => [node, jsonOf(bytes)]));
  }

  /** Waits until it has ended and answers what its nodes gave. Rejects with `RunNotCompleted` when it failed or was cancelled. */
  async wait(signal?: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    for await (const event of this.watch(signal === undefined ? {} : { signal })) {
      const state =
        event.kind === "snapshot"
          ? event.run.state
          : event.kind === "change"
            ? event.change.state
            : RunState.UNSPECIFIED;
      if (isFinalRun(state) && state !== RunState.COMPLETED) throw new RunNotCompleted(await this.get());
    }
    return this.results();
  }

  /** Asks for its end, in whatever state it is. It has ended when a watch says so. */
  async cancel(): Promise<void> {
    await this.#scheduler.cancelRun({ runId: this.id });
  }

  /** Keeps further tasks from starting. */
  async pause(): Promise<void> {
    await this.#scheduler.pauseRun({ runId: this.id });
  }

  /** Lets it go on when it is paused or was started with `hold`. */
  async resume(): Promise<void> {
    await this.#scheduler.resumeRun({ runId: this.id });
  }

  /** Sends a value to whichever `wait_for_signal` node waits for one of that name, or is the next to do so. */
  async signal(name: string, payload?: unknown): Promise<void> {
    const bytes = payload === undefined ? {} : { payload: jsonBytes(payload) };
    await this.#scheduler.signalRun({ runId: this.id, name, ...bytes });
  }

  /** Starts it again as a new run; with `fromFailed` nodes that completed keep what they gave. */
  async rerun(options: { readonly fromFailed?: boolean; readonly hold?: boolean } = {}): Promise<Run> {
    const { run } = await this.#scheduler.rerunRun({ runId: this.id, ...options });
    return new Run(this.#scheduler, existing(run, this.id).runId);
  }

  /** Removes it, with its outputs, files and transcripts; it must have ended. */
  async delete(): Promise<void> {
    await this.#scheduler.deleteRun({ runId: this.id });
  }

  /** The facts of its history so far, oldest first; `withChanges`: each with what followed from it. */
  async *events({ withChanges = false } = {}): AsyncGenerator<HistoryEvent> {
    for (let pageToken = ""; ; ) {
      const page = await this.#scheduler.listRunEvents({ runId: this.id, withChanges, pageToken });
      yield* page.events;
      pageToken = page.nextPageToken;
      if (pageToken === "") return;
    }
  }
}

function existing(run: RunRecord | undefined, runId: string): RunRecord {
  if (run === undefined) throw new TypeError(`the server answered nothing about run ${runId}`);
  return run;
}
