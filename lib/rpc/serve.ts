/*
 * Serves the RPCs of services on one port: gRPC, gRPC-web and Connect (with GET
 * for procedures without side effects), over HTTP/1.1 and HTTP/2, with TLS or
 * without.
 *
 *   S1. A call is authenticated by its headers before its body is read, and a
 *       procedure without a rule stops the start.
 *   S2. Disposing says NOT_SERVING first, then takes no new connection, gives
 *       calls `shutdownGraceMs` to end, ends those that have not with
 *       UNAVAILABLE, tells who took connections over, and closes every
 *       connection, whatever its peer does.
 */
import { isIPv6 } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import { createConnectRouter } from "@connectrpc/connect";
import { DomainError } from "../errors/domain-error.ts";
import { type CertificateFiles, Certificates } from "./certificates.ts";
import { health } from "./health.ts";
import type { UpgradeHandler } from "./http1-server.ts";
import { onePort } from "./one-port.ts";
import { type PeerLimits, publicPeers } from "./peer-limits.ts";
import { reflection } from "./reflection.ts";
import { addRoutes, nameOf, type Route, type RouteOptions, routerOptions } from "./routes.ts";
import { rpcListener } from "./rpc-listener.ts";
import type { RunningService } from "./running-service.ts";
import { slowBodies } from "./slow-bodies.ts";
import { toConnectError } from "./to-connect-error.ts";
import type { HttpHandler } from "./unknown-route.ts";

export type { UpgradeHandler } from "./http1-server.ts";
export type { HttpHandler, ServerReply, ServerRequest } from "./unknown-route.ts";

export interface ServeOptions extends Omit<RouteOptions, "shutdownSignal"> {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly services: readonly RunningService[];
  /** Makes the port speak TLS alone. Default: none. */
  readonly tls?: CertificateFiles | undefined;
  /** Answers whatever is no call of a procedure. Default: 404 with a reason. */
  readonly fallback?: HttpHandler;
  /** Stands between every request of the port and what answers it, calls of procedures and others alike. */
  readonly around?: ((next: HttpHandler) => HttpHandler) | undefined;
  /** Takes over the connections of peers that ask to speak WebSocket. Default: they are answered by `fallback`. */
  readonly upgrade?: UpgradeHandler;
  /** Whether callers may ask for the contract. Default true. */
  readonly reflection?: boolean;
  /** What calls get to end by themselves when the server is disposed of. Default 5 s. */
  readonly shutdownGraceMs?: number;
  /** Default `publicPeers`. */
  readonly limits?: PeerLimits;
}

/** A port at work. Disposing of it ends it in bounded time (S2); the services are the caller's to dispose of, afterwards. */
export interface Server extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Where it can be reached from this machine. */
  readonly url: string;
}

/** Serves until it is disposed of. Rejects when the port or the certificates are not to be had, and when a procedure is routed twice or has no rule (S1). */
export async function serve(options: ServeOptions): Promise<Server> {
  const {
    host,
    services,
    log,
    tls,
    fallback,
    around,
    upgrade,
    limits = publicPeers,
    shutdownGraceMs = 5_000,
  } = options;
  const draining = new AbortController();
  const shutdown = new AbortController();

  const routes: Route[] = [];
  const serving = () => new Map(routes.map(({ method, service }) => [method.parent.typeName, service]));
  const all = [
    ...services,
    health({ serving, draining: draining.signal }),
    ...(options.reflection === false
      ? []
      : [reflection(() => [...new Set(routes.map(({ method }) => method.parent))])]),
  ];
  const router = createConnectRouter(routerOptions(all, { ...options, shutdownSignal: shutdown.signal }));
  routes.push(...addRoutes(all, router, options));

  const streams = new Set(
    routes.filter(({ method }) => takesStream(method)).map(({ method }) => `/${nameOf(method)}`),
  );
  const listener = slowBodies(rpcListener(router.handlers, { log, fallback }), {
    limits,
    isStream: (path) => streams.has(path),
  });
  const port = await onePort({
    host,
    port: options.port,
    handle: around === undefined ? listener : around(listener),
    tls: tls && { certificates: new Certificates(tls, log), mutual: tls.clientCaPath !== undefined },
    upgrade: upgrade && ((request, socket, head) => upgrade(request, socket, head, shutdown.signal)),
    limits,
  });
  return {
    host,
    port: port.port,
    url: `${tls === undefined ? "http" : "https"}://${reachable(host)}:${port.port}`,
    async [Symbol.asyncDispose]() {
      draining.abort();
      const stopping = toConnectError(new DomainError("SERVICE_UNAVAILABLE", "this server is stopping"));
      await port.close({ graceMs: shutdownGraceMs, abandon: () => shutdown.abort(stopping) });
    },
  };
}

function takesStream({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/** A host that one can connect to: an address that means all of them is none. */
function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIPv6(host) ? `[${host}]` : host;
}
