import type { Client } from "@connectrpc/connect";
import type { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import type { Logger } from "../../../lib/log/log.ts";
import { keySetPath } from "../../../lib/rpc/key-set.ts";
import type { HttpHandler, ServerRequest } from "../../../lib/rpc/serve.ts";
import { type Answer, refusal, send } from "./answer.ts";
import { health, type ServiceBehind } from "./health.ts";
import { token } from "./token.ts";

/** What the plain routes need. */
export interface PlainRoutes {
  readonly auth: Pick<Client<typeof AuthService>, "issueToken">;
  /** Answers the public keys that tokens are signed with, as a JSON Web Key Set. */
  readonly fetchKeys: () => Promise<object>;
  readonly behind: readonly ServiceBehind[];
  readonly log: Logger;
}

type Route = Readonly<Record<string, (request: ServerRequest) => Answer | Promise<Answer>>>;

/** How long a key set may be kept: shorter than a new key waits before it signs. */
const keysMaxAge = "public, max-age=60";

/** Answers every request that is no call of a procedure. */
export function plainRoutes({ auth, fetchKeys, behind, log }: PlainRoutes): HttpHandler {
  const routes: Readonly<Record<string, Route>> = {
    "/health": { GET: () => health(behind) },
    "/healthz": { GET: () => ({ status: 200, body: "OK" }) },
    "/auth/token": { POST: (request) => token(request, auth) },
    [keySetPath]: { GET: () => keys(fetchKeys) },
  };
  return (request, response) => {
    answerOf(routes, request)
      .then((answer) => send(request, response, answer))
      .catch((error: unknown) => {
        log.debug({ err: error }, "answer not delivered");
        response.destroy();
      });
  };
}

async function answerOf(routes: Readonly<Record<string, Route>>, request: ServerRequest): Promise<Answer> {
  const [path = ""] = (request.url ?? "").split("?", 1);
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return refusal(404, "ROUTE_NOT_FOUND", `nothing is served at ${path}`);
  const method = request.method === "HEAD" ? "GET" : (request.method ?? "");
  const handler = Object.hasOwn(route, method) ? route[method] : undefined;
  if (handler !== undefined) return handler(request);
  const allowed = Object.keys(route).flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name]));
  return refusal(405, "ROUTE_NOT_FOUND", `${path} takes ${allowed.join(" and ")}`, {
    allow: allowed.join(", "),
  });
}

async function keys(fetchKeys: () => Promise<object>): Promise<Answer> {
  try {
    return { status: 200, body: await fetchKeys(), headers: { "cache-control": keysMaxAge } };
  } catch {
    return refusal(503, "SERVICE_UNAVAILABLE", "the keys can not be had at the moment", {
      "retry-after": "1",
    });
  }
}
