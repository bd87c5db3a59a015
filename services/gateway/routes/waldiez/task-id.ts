import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";

const uuidForm = /^([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})$/;

/** The task's id in a path. The Waldiez runner's ids have no dashes; clients that take them out of ours are understood. */
export const taskIdParams = z.object({ task_id: z.string().transform(plainTaskId) });

/** A UUID with dashes and in lower case; anything else as it is. */
export function plainTaskId(id: string): string {
  const parts = uuidForm.exec(id.toLowerCase());
  return parts === null ? id : parts.slice(1).join("-");
}

/** Whether a text could be the id of a task. */
export function isTaskId(id: string): boolean {
  return uuidForm.test(id);
}

/** The refusal of an id that no task of the caller's has. */
export function taskNotFound(): HttpRefusal {
  return new HttpRefusal(404, "Task not found", { reason: "TASK_NOT_FOUND" });
}
