import { isoOf } from "../instant.ts";
import type { Handshake } from "./handshake.ts";

/** The first frame of a WebSocket: the task as it stands, which has not ended. */
export function statusFrame(
  { shownId, task, status }: Pick<Handshake, "shownId" | "task" | "status">,
  now: Date,
): string {
  const { createdAt, updatedAt, openPrompts } = task;
  const data = {
    task_id: shownId,
    status,
    created_at: isoOf(createdAt),
    updated_at: isoOf(updatedAt ?? createdAt),
    results: null,
    input_request_id: (status === "WAITING_FOR_INPUT" && openPrompts[0]?.promptId) || null,
  };
  return JSON.stringify({ type: "status", timestamp: now.getTime() * 1_000, data });
}
