import { z } from "zod";
import { type HttpRoute, httpRoute } from "../../http/route.ts";
import { jsonAnswer } from "./json-answer.ts";
import { lookAtServer } from "./waldiez-access.ts";

const status = z.object({
  healthy: z.boolean(),
  active_tasks: z.int(),
  pending_tasks: z.int(),
  max_capacity: z.int().describe("How many tasks are carried out at once."),
  cpu_count: z.int(),
  cpu_percent: z.int(),
  total_memory: z.int().describe("In bytes."),
  used_memory: z.int().describe("In bytes."),
  memory_percent: z.int(),
});

/** `GET /status`: how busy the installation is. Whole numbers only: the Python client takes no others. */
export function serverStatus(): HttpRoute {
  return httpRoute({
    method: "GET",
    path: "/status",
    access: lookAtServer,
    tag: "Server",
    summary: "Tells how busy the installation is",
    style: "waldiez",
    headers: ["If-None-Match"],
    responses: {
      200: { description: "How busy it is.", schema: status },
      304: { description: "It is as the caller's `If-None-Match` has it." },
    },
    async handle(call) {
      const { signal } = call;
      const told = await call.clients.scheduler.getServerStatus({}, { signal });
      const total = Number(told.totalMemory);
      const used = Number(told.usedMemory);
      return jsonAnswer(call, {
        healthy: true,
        active_tasks: Number(told.activeTasks),
        pending_tasks: Number(told.pendingTasks),
        max_capacity: Number(told.programSlots),
        cpu_count: told.cpuCount,
        cpu_percent: Math.round(told.cpuPercent),
        total_memory: total,
        used_memory: used,
        memory_percent: total === 0 ? 0 : Math.round((used / total) * 100),
      });
    },
  });
}
