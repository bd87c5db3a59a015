import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type HandlerContext,
  type Interceptor,
  type MethodImpl,
} from "@connectrpc/connect";
import { compressionGzip } from "@connectrpc/connect-node";
import type { Logger } from "../log/log.ts";
import type { AccessRules } from "./access.ts";
import { authenticate, ruleFor, type VerifyToken } from "./authenticate.ts";
import { logFailure, reportCalls } from "./report-calls.ts";
import type { Revocations } from "./revocations.ts";
import type { RunningService } from "./running-service.ts";
import { strictJson } from "./strict-json.ts";
import { explainConnectError, toConnectError } from "./to-connect-error.ts";

/** Larger messages are refused. */
export const defaultMaxMessageBytes = 8 * 1024 * 1024;

/** The same for who has shown no token: credentials are short, and anybody may send them. */
const maxOpenMessageBytes = 64 * 1024;

/** A caller that asks for a later deadline is refused, because it can only have meant none. */
const longestDeadlineMs = 24 * 3_600_000;

/** What a router needs besides its services, the same on a port and in one process. */
export interface RouteOptions {
  readonly verify: VerifyToken;
  /** Ends streams whose token is taken back; without it somebody behind does. */
  readonly revocations?: Revocations | undefined;
  readonly log: Logger;
  /** What happens around every call besides, once its caller is known. */
  readonly interceptors?: readonly Interceptor[] | undefined;
  /** Default 8 MiB. */
  readonly maxMessageBytes?: number;
  /** Aborting it ends every call with its reason. */
  readonly shutdownSignal?: AbortSignal;
}

/** What of a service a router needs. */
export type RoutedService = Pick<RunningService, "routes" | "access" | "check">;

/** A procedure and the service that answers it. */
export interface Route {
  readonly method: DescMethod;
  readonly service: RoutedService;
}

/**
 * Adds the RPCs of services to a router and answers which they are. Throws when
 * one is routed twice, or when no rule or more than one service says who may
 * call it.
 */
export function addRoutes(
  services: readonly RoutedService[],
  router: ConnectRouter,
  { maxMessageBytes }: Pick<RouteOptions, "maxMessageBytes">,
): Route[] {
  const routes = services.flatMap((service) => {
    const methods: DescMethod[] = [];
    service.routes(
      strictRouter(router, methods, (method) => limitOf(service.access, method, maxMessageBytes)),
    );
    return methods.map((method) => ({ method, service }));
  });
  refuseAmbiguity(
    services,
    routes.map(({ method }) => method),
  );
  return routes;
}

/** How the RPCs of services are answered: authenticated by their headers, bounded, their errors mapped and logged. */
export function routerOptions(
  services: readonly RoutedService[],
  options: RouteOptions,
): ConnectRouterOptions {
  const { verify, log, maxMessageBytes = defaultMaxMessageBytes, shutdownSignal } = options;
  const rules: AccessRules = Object.assign({}, ...services.map(({ access }) => access));
  return {
    acceptCompression: [compressionGzip],
    readMaxBytes: maxMessageBytes,
    maxTimeoutMs: longestDeadlineMs,
    interceptors: [reportCalls(log, options.revocations), ...(options.interceptors ?? [])],
    ...(shutdownSignal && { shutdownSignal }),
    requestGate: async (context) => {
      const limit = limitOf(rules, context.method, maxMessageBytes);
      explainOnAbort(context, { limit: String(limit) });
      await authenticate(context, rules, verify).catch((refusal: unknown) => {
        const error = toConnectError(refusal);
        logFailure(log, { rpc: nameOf(context.method) }, error);
        throw error;
      });
    },
  };
}

/**
 * Gives errors that Connect raises around the handler, where no interceptor sees
 * them, their reason: Connect aborts the context with an error before it writes
 * it to the caller. Its signal would not tell of the error of a call that was
 * aborted before, as by a deadline that passed while the request was read.
 */
function explainOnAbort(context: HandlerContext, metadata: Readonly<Record<string, string>>): void {
  const aborted = context as HandlerContext & { abort: (reason?: unknown) => void };
  const { abort } = aborted;
  aborted.abort = (reason) => {
    if (reason instanceof ConnectError) explainConnectError(reason, metadata);
    abort.call(context, reason);
  };
}

/** How large a message of this procedure may be, in bytes. */
function limitOf(rules: AccessRules, method: DescMethod, maxMessageBytes = defaultMaxMessageBytes): number {
  const isOpen = ruleFor(rules, method) === "open";
  return isOpen ? Math.min(maxMessageBytes, maxOpenMessageBytes) : maxMessageBytes;
}

/** A router that registers each procedure by itself, with a JSON decoder and a bound of its own, and notes it. */
function strictRouter(
  router: ConnectRouter,
  methods: DescMethod[],
  limitFor: (method: DescMethod) => number,
): ConnectRouter {
  const strict: ConnectRouter = {
    handlers: router.handlers,
    service(desc, implementation, options) {
      for (const method of desc.methods) {
        const handler: unknown = Reflect.get(implementation, method.localName);
        const bound = typeof handler === "function" ? handler.bind(implementation) : unimplemented(method);
        strict.rpc<DescMethod>(method, bound as MethodImpl<DescMethod>, options);
      }
      return strict;
    },
    rpc(method, handler, options) {
      methods.push(method);
      const bounds = { jsonOptions: strictJson(method.input), readMaxBytes: limitFor(method) };
      router.rpc(method, handler, { ...bounds, ...options });
      return strict;
    },
  };
  return strict;
}

function unimplemented(method: DescMethod) {
  return () => {
    throw new ConnectError(`${nameOf(method)} is not implemented`, Code.Unimplemented);
  };
}

/** A procedure without a rule would refuse everybody, one that is routed or ruled twice would hide a mistake; both are told at start. */
function refuseAmbiguity(services: readonly RoutedService[], methods: readonly DescMethod[]): void {
  const names = methods.map(nameOf);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`${twice} is routed twice`);
  const ruled = services.flatMap(({ access }) => Object.keys(access));
  const ruledTwice = ruled.find((name, index) => ruled.indexOf(name) !== index);
  if (ruledTwice !== undefined) throw new Error(`two services say who may call ${ruledTwice}`);
  const rules: AccessRules = Object.assign({}, ...services.map(({ access }) => access));
  const without = methods.find((method) => ruleFor(rules, method) === undefined);
  if (without !== undefined) throw new Error(`no rule says who may call ${nameOf(without)}`);
}

/** `package.v1.Service/Method`. */
export function nameOf(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`;
}
