import type { ServiceImpl } from "@connectrpc/connect";
import type { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { jsonBytes } from "../core/json.ts";
import type { EventPages } from "../event-pages.ts";
import { runMessage, runMessageOfRow } from "../run-message.ts";
import type { RunStore } from "../run-store.ts";
import { runStateMessage } from "../state-message.ts";
import { dependsOnWorkers, type WorkerOffer } from "../waiting.ts";
import { type LoadRun, owningOf, rowFor, runFor } from "./access.ts";
import { refuseTooLarge } from "./answered-outputs.ts";
import { numberedPlace, pageSizeOf, pageToken, runPlace } from "./page-token.ts";
import { runFilter, runListName } from "./run-filter.ts";

/** How many events a page of history has when the caller does not say. */
const defaultEvents = 100;

export interface RunsDeps {
  readonly load: LoadRun;
  readonly runs: Pick<RunStore, "page" | "row">;
  readonly events: EventPages;
  /** What living workers take. */
  readonly offers: () => Promise<readonly WorkerOffer[]>;
}

type Runs = Pick<
  ServiceImpl<typeof SchedulerService>,
  "getRun" | "listRuns" | "listRunEvents" | "getRunResults"
>;

/** The RPCs that read runs, but for watching them. */
export function runs({ load, runs, events, offers }: RunsDeps): Runs {
  return {
    async getRun({ runId }, context) {
      const run = await runFor(owningOf(context), runId, load);
      const known = dependsOnWorkers(run) ? await offers() : [];
      return { run: runMessage(run, { withInput: true, offers: known }) };
    },

    async listRuns(request, context) {
      const caller = owningOf(context);
      const limit = pageSizeOf(request.pageSize);
      const filter = runFilter(request);
      const list = runListName(request);
      const after = runPlace(request.pageToken, list);
      const clientId = caller.admin ? undefined : caller.clientId;
      const rows = await runs.page({ ...filter, clientId }, { after, limit: limit + 1 });
      const page = rows.slice(0, limit);
      const last = rows.length > limit ? page.at(-1) : undefined;
      return {
        runs: page.map(runMessageOfRow),
        nextPageToken: last === undefined ? "" : pageToken(list, [last.created_at.getTime(), last.run_id]),
      };
    },

    async listRunEvents({ pageSize, pageToken: token, runId, withChanges }, context) {
      await rowFor(owningOf(context), runId, runs);
      const limit = pageSizeOf(pageSize, defaultEvents);
      const list = `events of ${runId}`;
      const afterSeq = numberedPlace(token, list) ?? 0;
      const page = { runId, afterSeq, limit };
      const { shown, hasMore } = await (withChanges ? events.withChanges(page) : events.facts(page));
      const last = hasMore ? shown.at(-1) : undefined;
      return { events: [...shown], nextPageToken: last === undefined ? "" : pageToken(list, [last.seq]) };
    },

    async getRunResults({ runId }, context) {
      const run = await runFor(owningOf(context), runId, load);
      refuseTooLarge(run.tasks.slice(0, run.plan.nodes.length), "them task by task");
      const results = run.plan.nodes.flatMap(({ id, index }) => {
        const task = run.tasks[index];
        return task?.output === undefined ? [] : [[id, jsonBytes(task.output)] as const];
      });
      return { state: runStateMessage[run.state], results: Object.fromEntries(results) };
    },
  };
}
