import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type DerivedChange,
  DerivedChangeSchema,
  type RunEvent,
  RunEventSchema,
} from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import { jsonBytes } from "./core/json.ts";
import type { Run, Task } from "./core/run.ts";
import type { EventRow } from "./event-codec.ts";
import { shownDetails } from "./event-details.ts";
import { historySteps, type RunHistory } from "./run-history.ts";
import { failureMessage } from "./run-message.ts";
import { runStateMessage, taskStateMessage } from "./state-message.ts";

/** What the events of a page may take, so that it stays a message; one event is shown in any case. */
const maxPageBytes = 4 * 1024 * 1024;

/** Which part of a history is wanted. */
export interface EventPage {
  readonly runId: string;
  readonly afterSeq: number;
  readonly limit: number;
}

/** A part of a history, and whether there is more. */
export interface ShownEvents {
  readonly shown: readonly RunEvent[];
  readonly hasMore: boolean;
}

/** Pages of histories as callers see them. */
export interface EventPages {
  /** Facts alone. */
  facts(page: EventPage): Promise<ShownEvents>;

  /** Facts with what followed from each. Folds everything up to the end of the page, and holds the run and a thousand facts of it at a time. */
  withChanges(page: EventPage): Promise<ShownEvents>;
}

export function eventPages(from: RunHistory): EventPages {
  return {
    async facts({ limit, ...place }) {
      const rows = await from.history.eventPage({ ...place, limit: limit + 1 });
      const page = new Page(limit);
      for (const row of rows) if (!page.add(eventMessage(row))) break;
      return page;
    },

    async withChanges({ runId, afterSeq, limit }) {
      const page = new Page(limit);
      let stateBefore: Run["state"] | undefined;
      for await (const { row, run, changed } of historySteps(from, runId)) {
        const changes = row.seq > afterSeq ? changesOf(run, changed, stateBefore) : undefined;
        if (changes !== undefined && !page.add(eventMessage(row, changes))) break;
        stateBefore = run.state;
      }
      return page;
    },
  };
}

/** Takes events until it is full. */
class Page implements ShownEvents {
  readonly shown: RunEvent[] = [];
  hasMore = false;
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Answers false when there is no room for the event. */
  add(event: RunEvent): boolean {
    this.#bytes += toBinary(RunEventSchema, event).length;
    const isFull = this.shown.length === this.#limit || this.#bytes > maxPageBytes;
    if (isFull && this.shown.length > 0) this.hasMore = true;
    else this.shown.push(event);
    return !this.hasMore;
  }
}

function eventMessage(row: EventRow, changes: DerivedChange[] = []): RunEvent {
  return create(RunEventSchema, {
    seq: row.seq,
    type: row.type,
    nodeId: row.node_id ?? "",
    attempt: row.attempt ?? 0,
    at: timestampFromDate(row.at),
    details: jsonBytes(shownDetails(row)),
    changes,
  });
}

/** What followed from one event: first the tasks in the order in which they changed, then the run. */
function changesOf(
  run: Run,
  changed: Iterable<Task>,
  stateBefore: Run["state"] | undefined,
): DerivedChange[] {
  const changes = [...changed].map((task) =>
    create(DerivedChangeSchema, {
      taskId: taskIdOf(run.runId, task.name),
      taskState: taskStateMessage[task.state],
      attempt: task.attempt,
      ...(task.failure && { failure: failureMessage(task.failure) }),
    }),
  );
  if (run.state === stateBefore) return changes;
  const failure = run.state === "failed" ? run.failure : undefined;
  const ofRun = create(DerivedChangeSchema, {
    runState: runStateMessage[run.state],
    ...(failure && { failure: failureMessage(failure) }),
  });
  return [...changes, ofRun];
}
