import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { type HttpAnswer, type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { type WaldiezStatus, waldiezStatuses } from "../status-names.ts";
import { isFinal } from "./found-task.ts";
import { jsonAnswer } from "./json-answer.ts";
import { countListed, listTasksOf } from "./listed-tasks.ts";
import { pageOf, pageQuery, pageSchema, skipOf } from "./page.ts";
import { taskJson, taskSchema } from "./task-json.ts";
import { lookAtAllTasks, lookAtOwnTasks } from "./waldiez-access.ts";

const search = z.string().min(1).max(200).describe("A part of the file's name, or of a status.");

const listQuery = z.object({
  ...pageQuery,
  search: z.string().max(200).optional().describe("A part of the file's name, or of a status."),
  status: z.enum(waldiezStatuses).optional(),
  order_by: z
    .enum(["id", "flow_id", "filename", "status"])
    .optional()
    .describe("Default: the time of creation."),
});

const countQuery = z.object({
  search: search.optional(),
  status: z.enum(waldiezStatuses).optional(),
  active_only: z.stringbool().default(false),
  inactive_only: z.stringbool().default(false),
});

const page = pageSchema(taskSchema).meta({ id: "WaldiezTaskPage" });
const unchanged = { description: "It is as the caller's `If-None-Match` has it." };

/** `GET /api/v1/tasks`, the same for administrators, and the count of tasks. */
export function listTasks(): readonly HttpRoute[] {
  return [
    httpRoute({
      method: "GET",
      path: "/api/v1/tasks",
      access: lookAtOwnTasks,
      tag: "Tasks",
      summary: "Lists the caller's tasks, without results",
      description: "Tasks that are carried out at given times come first.",
      style: "waldiez",
      query: listQuery,
      headers: ["If-None-Match"],
      responses: { 200: { description: "A page of them.", schema: page }, 304: unchanged },
      handle: list,
    }),
    httpRoute({
      method: "GET",
      path: "/api/v1/admin/tasks",
      access: lookAtAllTasks,
      tag: "Tasks",
      summary: "Lists the tasks of all clients, without results",
      style: "waldiez",
      query: listQuery,
      headers: ["If-None-Match"],
      responses: { 200: { description: "A page of them.", schema: page }, 304: unchanged },
      handle: list,
    }),
    httpRoute({
      method: "GET",
      path: "/api/v1/tasks/count",
      access: lookAtOwnTasks,
      tag: "Tasks",
      summary: "Counts the caller's tasks",
      style: "waldiez",
      query: countQuery,
      responses: {
        200: { description: "How many there are.", schema: z.object({ count: z.int() }) },
        400: { description: "Both the active ones only and the others only are asked for." },
      },
      handle: count,
    }),
  ];
}

async function list(call: HttpCall<unknown, z.output<typeof listQuery>>): Promise<HttpAnswer> {
  const { query } = call;
  const now = new Date();
  const skip = skipOf(query);
  const { tasks, total } = await listTasksOf(
    { statuses: query.status && [query.status], search: query.search || undefined },
    {
      orderBy: query.order_by,
      isDescending: query.order_type === "desc",
      // What is too far off for a page is counted all the same.
      skip: skip ?? 0,
      size: query.size,
    },
    now,
    call,
  );
  const items = skip === undefined ? [] : tasks.map((task) => taskJson(task, { now, inList: true }));
  return jsonAnswer(call, pageOf(items, total, query));
}

async function count(call: HttpCall<unknown, z.output<typeof countQuery>>): Promise<HttpAnswer> {
  const { query } = call;
  if (query.active_only && query.inactive_only) {
    throw new HttpRefusal(400, "Only one of active_only and inactive_only may be given", {
      reason: "FIELD_INVALID",
    });
  }
  const wanted = waldiezStatuses.filter((status) => isCounted(status, query));
  // Nothing is active and completed, say.
  if (wanted.length === 0) return { status: 200, body: { count: 0 } };
  const statuses = wanted.length === waldiezStatuses.length ? undefined : wanted;
  const counted = await countListed({ statuses, search: query.search }, new Date(), call);
  return { status: 200, body: { count: counted } };
}

function isCounted(
  status: WaldiezStatus,
  { status: only, active_only, inactive_only }: z.output<typeof countQuery>,
): boolean {
  if (only !== undefined && status !== only) return false;
  return isFinal(status) ? !active_only : !inactive_only;
}
