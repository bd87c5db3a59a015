/*
 * Streams a task's news as server-sent events.
 *
 *   V1. A stream has a place of its client's and its task's from its first piece
 *       of news until its response is closed, however that comes about.
 *   V2. A reader that takes nothing for `stalledAfterMs` is cut off, so that a place,
 *       and the stream behind, is not held for nobody.
 */
import { z } from "zod";
import { merge } from "../../../lib/async/merge.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { refusalOf } from "../http/http-error.ts";
import { type HttpRoute, httpRoute } from "../http/route.ts";
import { taskIdParams } from "../routes/waldiez/task-id.ts";
import { type Watcher, WatcherQuota } from "../watcher-quota.ts";
import { eventText, signOfLife, streamStart } from "./event-stream.ts";
import type { News } from "./followed-task.ts";
import { type OpenedNews, openedNews } from "./opened-news.ts";
import { taskEvent } from "./task-events.ts";

/** The longest silence of a stream. */
const heartbeatMs = 15_000;

/** The longest time for which a reader takes nothing of what is there for it. */
const stalledAfterMs = 60_000;

/** When who has too many streams may ask again; one may have ended by then. */
const retryAfterMs = 5_000;

const description = `
Server-sent events. Each event's data is a JSON object; \`id\` is the cursor of an entry of the transcript, to be named
by \`Last-Event-ID\` or \`after\` to go on behind it, without a gap and with nothing twice.

- \`snapshot\`: the task as it stands (\`state\`, \`attempt\`, \`open_prompts\`), first, and again after an outage.
- \`output\`: what the program wrote to \`stream\` (stdout, stderr, system) since the event before: \`text\`, or \`base64\`
  where the bytes by themselves are no UTF-8. A chunk and not a line.
- \`message\` (\`value\`), \`progress\` (\`fraction\`, \`label\`), \`artifact\` (\`path\`, \`name\`): what the program told.
- \`prompt\` (\`prompt_id\`, \`text\`, \`password\`, \`choices\`): it asked; \`answer\`: it was handed the answer, whose
  \`text\` is empty when it is secret. The answer is sent by \`POST /api/v1/tasks/{task_id}/input\`.
- \`prompt_opened\`, \`prompt_closed\` (\`how\`: answered, timed_out, attempt_ended) and \`state\`: what became of them and
  of the task, without an id.
- \`truncated\` (\`limit_bytes\`), \`lost\` (\`first_seq\`): what the transcript has not.
- \`end\` (\`state\`, \`failure\`): the last; the stream is closed behind it, and whoever asks again after it gets 204.
- \`interrupted\` (\`reason\`, \`detail\`): the stream is closed before the end; it may be taken up again.

Of a scheduled task it is what is being carried out, else what was last; an id of another firing counts as none.

A comment is sent when there was nothing to say for 15 s. Who takes nothing for a minute is cut off.`.trim();

/** `GET /api/v1/tasks/{task_id}/events`. */
export function eventRoutes(): readonly HttpRoute[] {
  const quota = new WatcherQuota();
  return [
    httpRoute({
      method: "GET",
      path: "/api/v1/tasks/:task_id/events",
      access: { audiences: ["tasks-api", "admin-api"], scope: "read" },
      tag: "Tasks",
      summary: "Streams what a task writes and asks, and what becomes of it",
      description,
      style: "problem",
      params: taskIdParams,
      query: z.object({
        after: z.string().optional().describe("As `Last-Event-ID`, which goes first."),
      }),
      headers: ["Last-Event-ID"],
      responses: {
        200: { description: "The events.", schema: z.string(), contentType: "text/event-stream" },
        204: { description: "Nothing comes after the end." },
        404: {
          description:
            "There is no such task of the caller's, or it is a scheduled one that has not fired yet.",
        },
        429: { description: "The client has 200 streams open, or the task 50." },
      },
      async handle({ caller, params, query, headers, clients, signal }) {
        const opened = await openedNews(clients, {
          taskId: params.task_id,
          seen: headers["last-event-id"]?.toString() ?? query.after ?? "",
          signal,
          hasFreshTokens: caller?.externalSubject !== undefined,
        });
        if (opened === undefined) return { status: 204 };
        // Not before: who may not see the task takes nobody's place at it.
        const watcher = { clientId: caller?.clientId ?? "", taskId: params.task_id };
        if (!hasPlace(quota, watcher, signal)) {
          await opened.news.return(undefined);
          throw new DomainError("TOO_MANY_CALLS", "too many streams are open", {}, { retryAfterMs });
        }
        return {
          status: 200,
          headers: {
            "content-type": "text/event-stream; charset=utf-8",
            // For proxies that would rather send larger pieces.
            "x-accel-buffering": "no",
          },
          stalledAfterMs,
          body: eventsOf(opened, signal),
        };
      },
    }),
  ];
}

/** Takes a place for a stream that lasts until `signal` aborts (V1); answers false when there is none left. */
function hasPlace(quota: WatcherQuota, watcher: Watcher, signal: AbortSignal): boolean {
  signal.throwIfAborted();
  const place = quota.take(watcher);
  // And not with the end of the events, which are never begun for a request of the head alone.
  signal.addEventListener("abort", () => place?.[Symbol.dispose](), { once: true });
  return place !== undefined;
}

async function* eventsOf(
  { first, news, idPrefix }: OpenedNews,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(streamStart + textOf(first, idPrefix));
  try {
    for await (const next of merge([news], { idleMs: heartbeatMs, signal })) {
      const text = next === undefined ? signOfLife : textOf(next, idPrefix);
      if (text !== "") yield Buffer.from(text);
    }
  } catch (thrown) {
    if (signal.aborted) return;
    const { reason, message } = refusalOf(thrown, "problem");
    yield Buffer.from(eventText({ event: "interrupted", data: { reason: reason ?? null, detail: message } }));
  }
}

function textOf(news: News | undefined, idPrefix: string): string {
  const event = news && taskEvent(news);
  if (event === undefined) return "";
  return eventText({ ...event, id: event.id === undefined ? undefined : idPrefix + event.id });
}
