import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpAnswer, type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { type Finding, findTask, isFinal, type ScheduledTask, statusOfFound } from "./found-task.ts";
import { refuseUnlessMatched, taggedAnswer } from "./json-answer.ts";
import { asClientFields, instant, type ScheduleFields, wantedSchedule } from "./schedule-fields.ts";
import { timesOf } from "./store-schedule.ts";
import { taskIdParams } from "./task-id.ts";
import { taskJson, taskSchema } from "./task-json.ts";
import { changeTasks } from "./waldiez-access.ts";

/** Only when a task is carried out can be changed. What clients send besides, a status or results as well, is not taken. */
const changes = z.object({
  schedule_type: z.enum(["once", "cron"]).nullish(),
  scheduled_time: instant.nullish(),
  cron_expression: z.string().max(200).nullish(),
  expires_at: instant.nullish(),
});

type ChangeCall = HttpCall<z.output<typeof taskIdParams>, unknown, z.output<typeof changes>>;

/** `PATCH /api/v1/tasks/{id}`, and PUT, which the Python client sends instead. */
export function changeTask(): readonly HttpRoute[] {
  return (["PATCH", "PUT"] as const).map((method) =>
    httpRoute({
      method,
      path: "/api/v1/tasks/:task_id",
      access: changeTasks,
      tag: "Tasks",
      summary: "Changes when a scheduled task is carried out",
      description:
        "Fields that are null or left out stay as they are. `status` and `results` can not be set.",
      style: "waldiez",
      params: taskIdParams,
      body: { kinds: ["json"], schema: changes, maxBytes: 1_048_576 },
      headers: ["If-Match"],
      responses: {
        200: { description: "The task as changed.", schema: taskSchema },
        400: { description: "It is over, or no scheduled task." },
        404: { description: "The caller has no such task." },
        412: { description: "It is not as the caller's `If-Match` has it." },
        422: { description: "A field is not of its form, or fields do not go together." },
      },
      handle: change,
    }),
  );
}

async function change(call: ChangeCall): Promise<HttpAnswer> {
  const now = new Date();
  const found = await findTask(call.params.task_id, call);
  refuseUnlessMatched(call, taskJson(found, { now }));
  const status = statusOfFound(found, now);
  if (isFinal(status)) {
    throw new HttpRefusal(400, `Cannot update task with status ${status}`, { reason: "RUN_ENDED" });
  }
  const fields = call.body;
  if (isEmpty(fields)) return taggedAnswer(taskJson(found, { now }));
  if (found.kind === "plain") {
    throw new HttpRefusal(400, "Only a scheduled task can be rescheduled", { reason: "FIELD_INVALID" });
  }
  const changed = await rescheduled(found, fields, call);
  return taggedAnswer(taskJson(changed, { now }));
}

async function rescheduled(
  { schedule, last }: ScheduledTask,
  fields: ScheduleFields,
  { clients, signal }: Finding,
): Promise<ScheduledTask> {
  const { timing, scheduleId } = schedule;
  const type = fields.schedule_type ?? (timing?.kind.case === "at" ? "once" : "cron");
  // What stays as it is need not be sent, unless the type changes.
  const current = timing?.kind.case === "cron" ? timing.kind.value : undefined;
  const words = fields.cron_expression ?? (type === "cron" ? current : undefined);
  const staysOnce = type === "once" && timing?.kind.case === "at";
  if (staysOnce && isEmpty({ ...fields, schedule_type: null })) return { kind: "scheduled", schedule, last };
  const wanted = wantedSchedule({ ...fields, schedule_type: type, cron_expression: words }, new Date());
  if (wanted === undefined) throw new TypeError("a schedule of a type asks for nothing");
  const paths = ["timing", ...(wanted.kind === "once" || fields.expires_at != null ? ["ends_at"] : [])];
  const answer = await asClientFields(
    async () =>
      await clients.scheduler.updateSchedule(
        { schedule: { scheduleId, ...timesOf(wanted) }, updateMask: { paths } },
        { signal },
      ),
  );
  return { kind: "scheduled", schedule: answer.schedule ?? schedule, last };
}

function isEmpty(fields: ScheduleFields): boolean {
  return Object.values(fields).every((value) => value === null || value === undefined);
}
