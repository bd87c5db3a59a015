import { createRouterTransport, type Transport } from "@connectrpc/connect";
import { bearing } from "./client.ts";
import type { TokenSource } from "./internal-token.ts";
import { addRoutes, type RoutedService, type RouteOptions, routerOptions } from "./routes.ts";

export interface LocalTransportOptions extends RouteOptions {
  /** Whose token each call bears; without it a call bears what its caller put into the header. */
  readonly token?: TokenSource;
}

/**
 * Calls a service of the same process as if it were elsewhere: the same
 * authentication, limits, errors and log, messages encoded and decoded, but no
 * socket. Throws when a procedure of the service has no rule.
 */
export function localTransport(
  service: RoutedService,
  { token, ...options }: LocalTransportOptions,
): Transport {
  return createRouterTransport((router) => addRoutes([service], router, options), {
    router: routerOptions([service], options),
    transport: { interceptors: token === undefined ? [] : [bearing(token)] },
  });
}
