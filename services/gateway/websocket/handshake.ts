import type { IncomingMessage } from "node:http";
import type { Task } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import { callerHeaders } from "../http/caller-headers.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import { type ServiceClients, type ServiceTransports, serviceClients } from "../http/service-clients.ts";
import type { WaldiezStatus } from "../routes/status-names.ts";
import { findTask, isFinal, statusOfFound } from "../routes/waldiez/found-task.ts";
import { plainTaskId } from "../routes/waldiez/task-id.ts";
import { type Place, parseFrameId } from "./frame-id.ts";
import { type BearerNeeds, bearerOf } from "./handshake-token.ts";

/** How long the services behind may take to say what a task is. */
const lookMs = 15_000;

/** What a request for a WebSocket is looked at with. */
export interface HandshakeNeeds extends BearerNeeds {
  readonly transports: ServiceTransports;
}

/** A request for a WebSocket that may be accepted. */
export interface Handshake {
  readonly caller: Caller;
  /** The task's id as it was asked for: a schedule's for the task that it started last. */
  readonly shownId: string;
  /** As it stands; not ended. */
  readonly task: Task;
  readonly status: WaldiezStatus;
  /** Behind what the watcher has seen. */
  readonly after: Place | undefined;
  /** The services behind, called with the caller's token. */
  readonly clients: ServiceClients;
}

/**
 * Looks at a request for `/ws/{task_id}` and at the task. With `after` or
 * `last_event_id` the caller names the last frame that it has seen.
 *
 * Rejects with an HttpRefusal, a DomainError, or what a service behind said.
 */
export async function handshake(
  request: IncomingMessage,
  requestId: string,
  { transports, ...bearer }: HandshakeNeeds,
): Promise<Handshake> {
  const { shownId, query } = asked(request.url ?? "");
  const { caller, token } = await bearerOf(request, bearer);
  // The token may stand elsewhere than in a header, and is asked for with each call.
  const headers = callerHeaders(request, { requestId, authorization: undefined });
  const clients = serviceClients(transports, headers, token);
  const found = await findTask(shownId, { clients, signal: AbortSignal.timeout(lookMs) });
  const status = statusOfFound(found, new Date());
  const task = found.kind === "plain" ? found.task : found.last;
  // A schedule that waits for its next firing has nothing to show.
  if (task === undefined || isFinal(status) || isFinal(statusOfFound({ kind: "plain", task }, new Date())))
    throw new HttpRefusal(403, `the task ${shownId} is not active`);
  return { caller, shownId, task, status, after: afterIn(query), clients };
}

function asked(url: string): { readonly shownId: string; readonly query: URLSearchParams } {
  const [path = "", query = ""] = url.split("?", 2);
  const [, id] = /^\/ws\/([^/]{1,200})\/?$/.exec(path) ?? [];
  if (id !== undefined) return { shownId: plainTaskId(id), query: new URLSearchParams(query) };
  throw new HttpRefusal(404, `no WebSocket is served at ${path.slice(0, 200)}`, {
    reason: "ROUTE_NOT_FOUND",
  });
}

function afterIn(query: URLSearchParams): Place | undefined {
  const seen = query.get("after") ?? query.get("last_event_id") ?? "";
  const place = parseFrameId(seen);
  if (seen === "" || place !== undefined) return place;
  throw new HttpRefusal(403, "`after` is no id of a frame", { reason: "FIELD_INVALID" });
}
