import type { ServiceImpl } from "@connectrpc/connect";
import type {
  ListTasksRequest,
  SchedulerService,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Task as TaskMessage } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import { type Run, standAloneTask } from "../core/run.ts";
import { taskMessage } from "../run-message.ts";
import type { TaskStore } from "../task-store.ts";
import { type LoadRun, type Owning, owningOf, runFor } from "./access.ts";
import { numberedPlace, pageSizeOf, pageToken, taskPlace } from "./page-token.ts";
import { taskFilter, taskListName, taskOrder } from "./task-filter.ts";
import { refuse } from "./validate.ts";

/** How many tasks a page may pass over. */
const maxSkip = 1_000_000;

export interface TaskListsDeps {
  readonly load: LoadRun;
  readonly loadAll: (runIds: readonly string[]) => Promise<Map<string, Run>>;
  readonly tasks: TaskStore;
}

type TaskLists = Pick<ServiceImpl<typeof SchedulerService>, "listTasks" | "countTasks">;

/** The RPCs that list and count tasks. */
export function taskLists(deps: TaskListsDeps): TaskLists {
  return {
    async listTasks(request, context) {
      const caller = owningOf(context);
      const faults = request.runId === "" ? [] : faultsBesideRun(request);
      if (!(request.skip >= 0 && request.skip <= maxSkip)) {
        faults.push({ path: "skip", reason: "FIELD_INVALID", message: `is not from 0 to ${maxSkip}` });
      }
      if (request.runId === "") return await standAloneTasks(deps, { caller, request, faults });
      refuse(faults);
      return tasksOf(await runFor(caller, request.runId, deps.load), request);
    },

    async countTasks(request, context) {
      const faults: FieldFault[] = [];
      const filter = taskFilter(request.filter, faults);
      refuse(faults);
      const count = await deps.tasks.count({ ...filter, clientId: clientOf(owningOf(context)) });
      return { count: BigInt(count) };
    },
  };
}

interface Page {
  readonly tasks: TaskMessage[];
  readonly nextPageToken: string;
}

async function standAloneTasks(
  { tasks, loadAll }: TaskListsDeps,
  {
    caller,
    request,
    faults,
  }: { readonly caller: Owning; readonly request: ListTasksRequest; readonly faults: FieldFault[] },
): Promise<Page> {
  const limit = pageSizeOf(request.pageSize);
  const filter = { ...taskFilter(request.filter, faults), clientId: clientOf(caller) };
  const order = taskOrder(request.orderBy, faults);
  refuse(faults);
  const list = taskListName(request);
  const after = taskPlace(request.pageToken, list);
  const places = await tasks.page(filter, { order, after, skip: request.skip, limit: limit + 1 });
  const page = places.slice(0, limit);
  const loaded = await loadAll(page.map(({ taskId }) => taskId));
  const last = places.length > limit ? page.at(-1) : undefined;
  return {
    tasks: page.flatMap(({ taskId }) => {
      const run = loaded.get(taskId);
      const task = run && standAloneTask(run);
      return run === undefined || task === undefined ? [] : [taskMessage(run, task)];
    }),
    nextPageToken:
      last === undefined ? "" : pageToken(list, [last.value, last.createdAt.getTime(), last.taskId]),
  };
}

function tasksOf(run: Run, { pageSize, pageToken: token, skip }: ListTasksRequest): Page {
  const limit = pageSizeOf(pageSize);
  const from = (numberedPlace(token, `tasks of ${run.runId}`) ?? 0) + skip;
  const page = run.tasks.slice(from, from + limit);
  const next = from + page.length;
  return {
    tasks: page.map((task) => taskMessage(run, task)),
    nextPageToken: next < run.tasks.length ? pageToken(`tasks of ${run.runId}`, [next]) : "",
  };
}

/** What belongs to the list of stand-alone tasks alone. */
function faultsBesideRun({ filter, orderBy }: ListTasksRequest): FieldFault[] {
  const given = { filter: filter !== undefined, order_by: orderBy !== "" };
  return Object.entries(given).flatMap(([path, isGiven]): FieldFault[] => {
    return isGiven ? [{ path, reason: "FIELD_INVALID", message: "is not given beside run_id" }] : [];
  });
}

/** Whose tasks a caller sees; undefined for those of all. */
function clientOf({ clientId, admin }: Owning): string | undefined {
  return admin ? undefined : clientId;
}
