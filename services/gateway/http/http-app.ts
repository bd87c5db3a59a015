/*
 * Answers every request of the port that is no call of a procedure: finds its
 * route, admits its caller, reads what it brings, and answers in the route's
 * style.
 *
 *   A1. A caller is admitted, or refused, by the headers alone, before anything of
 *       the body is read.
 *   A2. A request is answered whatever happens; a defect of ours is logged once
 *       and told without its text.
 *   A3. What a route does ends when its caller hangs up.
 *   A4. What calls keep in memory of what they were sent is bounded for all of them
 *       together.
 */

import type { Logger } from "../../../lib/log/log.ts";
import { type Caller, callerFor, type VerifyToken } from "../../../lib/rpc/authenticate.ts";
import type { HttpHandler, ServerReply, ServerRequest } from "../../../lib/rpc/serve.ts";
import { callerAddressHeader } from "../../../lib/rpc/tokens.ts";
import type { Conduct } from "../edge/conduct.ts";
import { ByteBudget } from "./byte-budget.ts";
import { callerHeaders } from "./caller-headers.ts";
import { type FindRoute, type FoundRoute, routeFinder } from "./find-route.ts";
import { refusalAnswer, refusalOf } from "./http-error.ts";
import { HttpRefusal } from "./http-refusal.ts";
import { type LocalCaller, localAuthorization } from "./local-caller.ts";
import { partsOf } from "./parts.ts";
import { defaultMaxBytes, readCall } from "./read-call.ts";
import { requestIdOf } from "./request-id.ts";
import { type ErrorStyle, type HttpAnswer, type HttpCall, type HttpRoute, isLogin } from "./route.ts";
import { sendAnswer } from "./send-answer.ts";
import { type ServiceTransports, serviceClients } from "./service-clients.ts";

export interface HttpAppNeeds {
  readonly routes: readonly HttpRoute[];
  readonly transports: ServiceTransports;
  /** Says whose a token is. */
  readonly verify: VerifyToken;
  /** The token that goes along to the services behind instead of the one that a caller showed; undefined leaves that one. */
  readonly tokenFor: (caller: Caller | undefined) => string | undefined;
  /** Who calls that bear no token are taken for, on the routes that let them in; undefined: nobody. */
  readonly localCaller?: LocalCaller | undefined;
  /** Counts and takes down what callers do; undefined: nobody does. */
  readonly conduct?: Conduct | undefined;
  /** How much all calls together keep in memory of what they were sent, in bytes; default 256 MiB. */
  readonly maxHeldBytes?: number;
  readonly log: Logger;
}

const defaultMaxHeldBytes = 256 * 1024 * 1024;

interface App extends HttpAppNeeds {
  readonly find: FindRoute;
  readonly budget: ByteBudget;
}

const callerGone = new HttpRefusal(499, "the caller hung up");

/** Answers requests by their routes. Throws when two routes are the same. */
export function httpApp(needs: HttpAppNeeds): HttpHandler {
  const budget = new ByteBudget(needs.maxHeldBytes ?? defaultMaxHeldBytes);
  const app: App = { ...needs, find: routeFinder(needs.routes), budget };
  return (request, response) => {
    answer(app, request, response).catch((error: unknown) => {
      // The caller hung up, or an answer broke off in the middle, which only a broken connection can say.
      needs.log.debug({ err: error }, "answer not delivered");
      response.destroy();
    });
  };
}

async function answer(app: App, request: ServerRequest, response: ServerReply): Promise<void> {
  const requestId = requestIdOf(request);
  const hungUp = new AbortController();
  response.once("close", () => hungUp.abort());
  let style: ErrorStyle = "problem";
  let answer: HttpAnswer;
  try {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const found = app.find(request.method ?? "", path);
    if (found instanceof HttpRefusal) throw found;
    style = found.route.style;
    answer = await routed(app, found, { request, requestId, signal: hungUp.signal });
  } catch (thrown) {
    const told = refusalOf(thrown, style);
    // What was broken off because nobody waits for it is no outage.
    const refusal = told.status === 503 && hungUp.signal.aborted ? callerGone : told;
    logRefusal(app.log, request, requestId, refusal);
    answer = refusalAnswer(refusal, style, requestId);
  }
  const headers = { "x-request-id": requestId, ...answer.headers };
  await sendAnswer(request, response, { ...answer, headers });
}

async function routed(
  { verify, tokenFor, transports, localCaller, conduct, budget }: App,
  { route, params }: FoundRoute,
  { request, requestId, signal }: Pick<HttpCall, "request" | "requestId" | "signal">,
): Promise<HttpAnswer> {
  const authorization = await authorizationOf(route, request, localCaller);
  const caller = await callerFor(authorization, route.access, verify);
  // One that stands for another issuer's does not last as long as that, so each call asks for it.
  const freshToken = async () => tokenFor(await callerFor(authorization, route.access, verify)) ?? "";
  const fresh = tokenFor(caller) === undefined ? undefined : freshToken;
  const address = addressOf(request);
  const handled = async () => {
    using bytes = budget.begin(caller?.clientId ?? "");
    const { hold } = bytes;
    const read = await readCall(route, request, { inPath: params, hold });
    return await route.handle({
      ...read,
      caller,
      request,
      requestId,
      signal,
      headers: request.headers,
      address,
      countLogin: (clientId) => conduct?.takeLoginAs(clientId),
      clients: serviceClients(transports, callerHeaders(request, { requestId, authorization }), fresh),
      hold,
      parts: (limits) =>
        partsOf(request, limits, { maxBytes: route.body?.maxBytes ?? defaultMaxBytes, hold }),
    });
  };
  if (conduct === undefined) return await handled();
  const action = `${route.method} ${route.path}`;
  const act = { action, access: route.access, caller, address, requestId, isLogin: isLogin(route) };
  return await conduct.carryOut(act, handled, (answer) => [answer?.body, params]);
}

/** Where a request came from, as the edge says it; else its peer. */
function addressOf({ headers, socket }: ServerRequest): string {
  const told = headers[callerAddressHeader];
  return typeof told === "string" ? told : (socket.remoteAddress ?? "");
}

async function authorizationOf(
  { anonymous }: HttpRoute,
  { headers }: ServerRequest,
  localCaller: LocalCaller | undefined,
): Promise<string | undefined> {
  if (headers.authorization !== undefined || anonymous === undefined || localCaller === undefined)
    return headers.authorization;
  return await localAuthorization(headers, localCaller);
}

function logRefusal(log: Logger, { method }: ServerRequest, requestId: string, refusal: HttpRefusal): void {
  const { status, reason, cause } = refusal;
  const fields = { method, status, requestId, ...(reason && { reason }) };
  if (status === 500) log.error({ ...fields, err: cause }, "request failed");
  else if (status === 503) log.warn({ ...fields, err: cause }, "request failed");
  else log.debug(fields, "request refused");
}
