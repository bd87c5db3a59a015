/*
 * A client's tasks as one list: its schedules of tasks first, each as one task,
 * then those that it submitted by themselves.
 *
 *   L1. What a schedule started is shown as the schedule's, and not by itself.
 *   L2. The two parts are counted and sorted each by itself, in the same order; so
 *       a page is found without reading what comes before it.
 */
import type { Schedule } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { isoOf } from "../../instant.ts";
import { taskStatesOf, type WaldiezStatus, waldiezStatuses } from "../status-names.ts";
import { flowIdLabel } from "./flow-id.ts";
import { type Finding, type FoundTask, statusOfFound, withLastRun } from "./found-task.ts";
import { inSlices } from "./in-slices.ts";
import { fileNameOf, labelsOf, taskSchedules } from "./task-schedules.ts";

/** Which tasks. What is not given restricts nothing. */
export interface TaskQuery {
  readonly statuses?: readonly WaldiezStatus[] | undefined;
  /** A part of the file's name; or of a status, when no file of the caller's is called so. */
  readonly search?: string | undefined;
}

/** In which order tasks come, and which part of the list. */
export interface TaskPage {
  readonly orderBy: TaskOrder | undefined;
  readonly isDescending: boolean;
  /** How many are passed over. */
  readonly skip: number;
  readonly size: number;
}

export type TaskOrder = "id" | "flow_id" | "filename" | "status";

const plainOrder: Readonly<Record<TaskOrder, string>> = {
  id: "task_id",
  flow_id: `labels.${flowIdLabel}`,
  filename: "name",
  status: "state",
};

/** How many of the caller's tasks there are. */
export async function countListed(query: TaskQuery, now: Date, finding: Finding): Promise<number> {
  const asked = await resolved(query, finding);
  const [scheduled, plain] = await Promise.all([
    scheduledTasks(asked, undefined, now, finding),
    countPlain(asked, finding),
  ]);
  return scheduled.length + plain;
}

/** A page of the caller's tasks, without results, and how many there are on all pages. */
export async function listTasksOf(
  query: TaskQuery,
  page: TaskPage,
  now: Date,
  finding: Finding,
): Promise<{ readonly tasks: readonly FoundTask[]; readonly total: number }> {
  const asked = await resolved(query, finding);
  const [scheduled, plainCount] = await Promise.all([
    scheduledTasks(asked, page, now, finding),
    countPlain(asked, finding),
  ]);
  const shown = scheduled.slice(page.skip, page.skip + page.size);
  const first = await inSlices(shown, async (entry) => entry.found ?? withLastRun(entry.schedule, finding));
  const room = page.size - shown.length;
  const plain =
    room === 0
      ? []
      : await plainTasks(
          asked,
          { ...page, size: room, skip: Math.max(0, page.skip - scheduled.length) },
          finding,
        );
  return { tasks: [...first, ...plain], total: scheduled.length + plainCount };
}

/** The query with a search for a status as that. */
async function resolved(query: TaskQuery, finding: Finding): Promise<TaskQuery> {
  const { search, statuses } = query;
  if (search === undefined || statuses !== undefined) return query;
  const meant = waldiezStatuses.filter((status) => status.includes(search.toUpperCase()));
  if (meant.length === 0) return query;
  const isName =
    (await countPlain(query, finding)) > 0 ||
    (await taskSchedules(finding)).some((schedule) => isCalled(schedule, search));
  return isName ? query : { statuses: meant };
}

async function countPlain(query: TaskQuery, { clients, signal }: Finding): Promise<number> {
  const { count } = await clients.scheduler.countTasks({ filter: filterOf(query) }, { signal });
  return Number(count);
}

async function plainTasks(
  query: TaskQuery,
  { orderBy, isDescending, size, skip }: TaskPage,
  { clients, signal }: Finding,
): Promise<FoundTask[]> {
  const order = `${orderBy === undefined ? "created_at" : plainOrder[orderBy]}${isDescending ? " desc" : ""}`;
  const { tasks } = await clients.scheduler.listTasks(
    { filter: filterOf(query), orderBy: order, skip, pageSize: size },
    { signal },
  );
  return tasks.map((task) => ({ kind: "plain", task }));
}

function filterOf({ statuses, search }: TaskQuery) {
  return { states: (statuses ?? []).flatMap(taskStatesOf), text: search ?? "", withoutScheduled: true };
}

/** A schedule of the list; with what it started last where that was needed to sort or to select it. */
interface ScheduledEntry {
  readonly schedule: Schedule;
  readonly found: FoundTask | undefined;
  readonly status: WaldiezStatus | undefined;
}

async function scheduledTasks(
  { statuses, search }: TaskQuery,
  page: TaskPage | undefined,
  now: Date,
  finding: Finding,
): Promise<ScheduledEntry[]> {
  const called = (await taskSchedules(finding)).filter(
    (schedule) => search === undefined || isCalled(schedule, search),
  );
  const needsStatus = statuses !== undefined || page?.orderBy === "status";
  const entries = await inSlices(called, async (schedule): Promise<ScheduledEntry> => {
    if (!needsStatus) return { schedule, found: undefined, status: undefined };
    const found = await withLastRun(schedule, finding);
    return { schedule, found, status: statusOfFound(found, now) };
  });
  const selected = entries.filter(({ status }) => {
    return statuses === undefined || (status !== undefined && statuses.includes(status));
  });
  return page === undefined ? selected : sorted(selected, page);
}

function isCalled(schedule: Schedule, search: string): boolean {
  return fileNameOf(schedule).toLowerCase().includes(search.toLowerCase());
}

/** Sorted as asked; equal ones come as they were created, as single tasks do. */
function sorted(entries: readonly ScheduledEntry[], { orderBy, isDescending }: TaskPage): ScheduledEntry[] {
  const direction = isDescending ? -1 : 1;
  const createdFirst = (one: ScheduledEntry, other: ScheduledEntry) =>
    compared(createdKey(one), createdKey(other));
  if (orderBy === undefined) return entries.toSorted((one, other) => direction * createdFirst(one, other));
  return entries.toSorted((one, other) => {
    return direction * compared(sortKey(one, orderBy), sortKey(other, orderBy)) || createdFirst(one, other);
  });
}

function compared(one: string, other: string): number {
  return one === other ? 0 : one < other ? -1 : 1;
}

function createdKey({ schedule: { createdAt } }: ScheduledEntry): string {
  return isoOf(createdAt) ?? "";
}

function sortKey({ schedule, status }: ScheduledEntry, orderBy: TaskOrder): string {
  switch (orderBy) {
    case "id":
      return schedule.scheduleId;
    case "flow_id":
      return labelsOf(schedule)[flowIdLabel] ?? "";
    case "filename":
      return fileNameOf(schedule);
    case "status":
      return status ?? "";
  }
}
