import type { DescService } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { Logger } from "../../lib/log/log.ts";
import { publicAccess } from "../../lib/rpc/access.ts";
import type { Caller, VerifyToken } from "../../lib/rpc/authenticate.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import type { HttpHandler, ServeOptions, UpgradeHandler } from "../../lib/rpc/serve.ts";
import type { GatewaySettings } from "./config.ts";
import type { Edge } from "./edge/edge.ts";
import { EdgeVerifier } from "./edge-verifier.ts";
import { routeFinder } from "./http/find-route.ts";
import { httpApp } from "./http/http-app.ts";
import { HttpRefusal } from "./http/http-refusal.ts";
import type { LocalCaller } from "./http/local-caller.ts";
import { type HttpRoute, isLogin } from "./http/route.ts";
import { routeTable } from "./http/route-table.ts";
import { proxy } from "./proxy.ts";
import { illnesses, type ServiceBehind } from "./routes/health.ts";
import { webSocketEndpoint } from "./websocket/web-socket-endpoint.ts";

/** What the gateway needs. None of the transports bears a token of its own: the callers' go along. */
export interface GatewayDependencies {
  readonly auth: Transport;
  readonly scheduler: Transport;
  /** The way to WorkerService, which the scheduler's process serves. */
  readonly worker: Transport;
  readonly taskio: Transport;
  /** Answers the public keys that tokens are signed with, as a JSON Web Key Set. */
  readonly fetchKeys: () => Promise<object>;
  /** What must be able to work for the gateway to be of use. */
  readonly behind: readonly ServiceBehind[];
  /** Says whose a token of ours is. */
  readonly verify: VerifyToken;
  /** Who calls that bear no token are taken for, on the workflow routes; undefined: nobody. */
  readonly localCaller?: LocalCaller | undefined;
  /** What stands before every request; undefined: nothing does. */
  readonly edge?: Edge | undefined;
  readonly settings: GatewaySettings;
  readonly log: Logger;
}

/** The gateway, and what its port needs besides. */
export interface Gateway extends RunningService {
  /** Answers the requests that are no calls. */
  readonly fallback: HttpHandler;
  /** Says whose a token is, also of one that another issuer gave out. */
  readonly verify: VerifyToken;
  /** Stands between every request and what answers it. */
  readonly around: ServeOptions["around"];
  /** Takes over the connections of clients that speak WebSocket. To be used up to the gateway's end. */
  readonly upgrade: UpgradeHandler;
  /** Stand between every call, once its caller is known, and what answers it. */
  readonly interceptors: ServeOptions["interceptors"];
}

/**
 * The public edge: every public service by proxy, and the HTTP routes. Internal services are not routed. Keeps nothing.
 *
 * A call must bear a valid token of a client, for the audience and with the
 * scope that the procedure needs, checked by its headers before anything of its
 * body is read. The service behind checks the token too.
 */
export function gateway({
  auth,
  scheduler,
  worker,
  taskio,
  fetchKeys,
  behind,
  verify,
  localCaller,
  edge,
  settings,
  log,
}: GatewayDependencies): Gateway {
  const proxied: readonly (readonly [DescService, Transport])[] = [
    [AuthService, auth],
    [SchedulerService, scheduler],
    [WorkerService, worker],
    [TaskIOService, taskio],
  ];
  const verifier = new EdgeVerifier({ verify, auth: createClient(AuthService, auth) });
  const tokenFor = (caller: Caller | undefined) => verifier.tokenFor(caller);
  const routes = routeTable({ behind, fetchKeys, settings });
  const isLoginPath = loginPaths(routes);
  const transports = { auth, scheduler, taskio };
  const webSocket = webSocketEndpoint({
    transports,
    verify: verifier.verify,
    tokenFor,
    // Without an edge there is no list of pages that may.
    isAllowedOrigin: (request) => edge?.isAllowedOrigin(request) ?? request.headers.origin === undefined,
    conduct: edge?.conduct,
    log,
  });
  return {
    name: "gateway",
    routes: (router) => {
      for (const [service, transport] of proxied) proxy(router, service, { transport, tokenFor });
    },
    access: publicAccess,
    fallback: httpApp({
      routes,
      transports,
      verify: verifier.verify,
      tokenFor,
      localCaller,
      conduct: edge?.conduct,
      log,
    }),
    verify: verifier.verify,
    around: edge && ((next) => edge.around(next, isLoginPath)),
    upgrade: edge?.aroundUpgrade(webSocket.upgrade) ?? webSocket.upgrade,
    interceptors: edge && [edge.interceptor],
    check: async () => {
      const [[name, reason] = []] = Object.entries(await illnesses(behind));
      if (name !== undefined) throw new Error(`${name}: ${reason}`);
    },
    [Symbol.asyncDispose]: async () => await webSocket[Symbol.asyncDispose](),
  };
}

/** Says of a path whether credentials are tried there: at the procedures, and the routes of OAuth, that need no token because they are given one or get one. */
function loginPaths(routes: readonly HttpRoute[]): (path: string) => boolean {
  const procedures = new Set(
    Object.entries(publicAccess).flatMap(([name, access]) => (access === "open" ? [`/${name}`] : [])),
  );
  const find = routeFinder(routes.filter(isLogin));
  return (path) => procedures.has(path) || !(find("POST", path) instanceof HttpRefusal);
}
