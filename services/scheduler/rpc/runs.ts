import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { jsonBytes } from "../core/json.ts";
import { shownDetails } from "../event-details.ts";
import type { HistoryStore } from "../history-store.ts";
import { runMessage, runMessageOfRow } from "../run-message.ts";
import type { RunStore } from "../run-store.ts";
import { runStateMessage, runStateOf } from "../state-message.ts";
import { type LoadRun, owningOf, runFor } from "./access.ts";
import { numberedPlace, pageSizeOf, pageToken, runPlace } from "./page-token.ts";

/** What all outputs of a run may take in one answer, so that it stays a message: 7 MiB. */
const maxResultsBytes = 7 * 1024 * 1024;

/** How many events a page of history has when the caller does not say. */
const defaultEvents = 100;

export interface RunsDeps {
  readonly load: LoadRun;
  readonly runs: Pick<RunStore, "page">;
  readonly history: Pick<HistoryStore, "eventPage">;
}

type Runs = Pick<
  ServiceImpl<typeof SchedulerService>,
  "getRun" | "listRuns" | "listRunEvents" | "getRunResults"
>;

/** The RPCs that read runs, but for watching them. */
export function runs({ load, runs, history }: RunsDeps): Runs {
  return {
    async getRun({ runId }, context) {
      return { run: runMessage(await runFor(owningOf(context), runId, load)) };
    },

    async listRuns({ pageSize, pageToken: token, states }, context) {
      const caller = owningOf(context);
      const limit = pageSizeOf(pageSize);
      const wanted = states.map((state, index) => {
        const known = runStateOf(state);
        if (known !== undefined) return known;
        const path = `states[${index}]`;
        throw DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message: "is not a state of a run" }]);
      });
      const after = runPlace(token, "runs");
      const clientId = caller.admin ? undefined : caller.clientId;
      const rows = await runs.page({
        clientId,
        states: wanted,
        standAloneOnly: false,
        after,
        limit: limit + 1,
      });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        runs: page.map(runMessageOfRow),
        nextPageToken: last === undefined ? "" : pageToken("runs", [last.created_at.getTime(), last.run_id]),
      };
    },

    async listRunEvents({ pageSize, pageToken: token, runId }, context) {
      await runFor(owningOf(context), runId, load);
      const limit = pageSizeOf(pageSize, defaultEvents);
      const list = `events of ${runId}`;
      const afterSeq = numberedPlace(token, list) ?? 0;
      const rows = await history.eventPage({ runId, afterSeq, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        events: page.map((row) => ({
          seq: row.seq,
          type: row.type,
          nodeId: row.node_id ?? "",
          attempt: row.attempt ?? 0,
          at: timestampFromDate(row.at),
          details: jsonBytes(shownDetails(row)),
        })),
        nextPageToken: last === undefined ? "" : pageToken(list, [last.seq]),
      };
    },

    async getRunResults({ runId }, context) {
      const run = await runFor(owningOf(context), runId, load);
      const results = run.plan.nodes.flatMap(({ id, index }) => {
        const task = run.tasks[index];
        return task?.output === undefined ? [] : [[id, jsonBytes(task.output)] as const];
      });
      const size = results.reduce((sum, [, output]) => sum + output.length, 0);
      if (size > maxResultsBytes) {
        const message = `the outputs have ${size} bytes together; ask for them task by task`;
        throw new DomainError("TOO_LARGE", message, { limit: String(maxResultsBytes) });
      }
      return { state: runStateMessage[run.state], results: Object.fromEntries(results) };
    },
  };
}
