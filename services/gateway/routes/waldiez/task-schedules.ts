import type { Schedule } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import type { Finding } from "./found-task.ts";

/** More schedules of tasks than this are not looked at; nobody pages through so many. */
const maxSchedules = 5_000;

/** The schedules of tasks that the caller may see, at most 5,000. */
export async function taskSchedules({ clients, signal }: Finding): Promise<Schedule[]> {
  const found: Schedule[] = [];
  let pageToken = "";
  do {
    const page = await clients.scheduler.listSchedules({ pageSize: 1_000, pageToken }, { signal });
    found.push(...page.schedules.filter(({ target }) => target?.kind.case === "task"));
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && found.length < maxSchedules);
  return found;
}

/** The labels of what a schedule of a task starts. */
export function labelsOf({ target }: Schedule): Readonly<Record<string, string>> {
  return target?.kind.case === "task" ? target.kind.value.labels : {};
}

/** The name of the file that a schedule of a task starts. */
export function fileNameOf({ target, name }: Schedule): string {
  return (target?.kind.case === "task" ? target.kind.value.program?.fileName : undefined) ?? name;
}
