import type { Client } from "@connectrpc/connect";
import type { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import { type Finding, findTask } from "../routes/waldiez/found-task.ts";
import { type Following, followedTask, type News } from "./followed-task.ts";
import { endId } from "./task-events.ts";

/** What is asked for: the news of a task, or of a scheduled one, behind what its caller has seen. */
export interface Wanted extends Pick<Following, "taskId" | "signal" | "hasFreshTokens"> {
  /** The id of the last event that the caller has; empty for none. */
  readonly seen: string;
}

/** The news of a task that its caller may see. */
export interface OpenedNews {
  readonly first: News | undefined;
  /** Those behind the first. */
  readonly news: AsyncGenerator<News>;
  /** What stands before the ids of its events; empty but for a scheduled task, each firing of which has cursors of its own. */
  readonly idPrefix: string;
}

interface Behind {
  readonly taskio: Pick<Client<typeof TaskIOService>, "watch">;
  readonly scheduler: Finding["clients"]["scheduler"];
}

/**
 * Opens the news of a task, and of a scheduled one those of what it started last;
 * undefined when nothing comes after what the caller has. What it has of another
 * firing counts as nothing.
 *
 * Rejects with what the services behind said, or an HttpRefusal 404 for a scheduled
 * task that has not fired.
 */
export async function openedNews(clients: Behind, wanted: Wanted): Promise<OpenedNews | undefined> {
  const { taskId, seen, signal } = wanted;
  if (seen === endId) return undefined;
  try {
    return await opened(clients, wanted, "");
  } catch (thrown) {
    if (fromConnectError(thrown).reason !== "TASK_NOT_FOUND") throw thrown;
    // Not looked for before: nearly every id is a task's, a node's of a workflow among them.
    const found = await findTask(taskId, { clients, signal });
    if (found.kind === "plain") throw thrown;
    if (found.last === undefined) {
      throw new HttpRefusal(404, "the scheduled task has not fired yet", { reason: "TASK_NOT_FOUND" });
    }
    const last = found.last.taskId;
    return await opened(clients, { ...wanted, taskId: last }, prefixOf(last));
  }
}

async function opened(
  { taskio }: Behind,
  { seen, ...following }: Wanted,
  idPrefix: string,
): Promise<OpenedNews | undefined> {
  const after = placeIn(seen, following.taskId, idPrefix);
  if (after === endId) return undefined;
  const news = followedTask(taskio, { ...following, after });
  // What is refused is refused before anything is sent.
  const first = await news.next();
  return { first: first.done === true ? undefined : first.value, news, idPrefix };
}

/** What the id of an event says of a task; empty when it is one of another task's. */
function placeIn(seen: string, taskId: string, idPrefix: string): string {
  if (seen.startsWith(prefixOf(taskId))) return seen.slice(prefixOf(taskId).length);
  return idPrefix === "" && !seen.includes("/") ? seen : "";
}

function prefixOf(taskId: string): string {
  return `${taskId}/`;
}
