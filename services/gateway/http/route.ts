import type { IncomingHttpHeaders, OutgoingHttpHeaders } from "node:http";
import type { z } from "zod";
import type { Access } from "../../../lib/rpc/access.ts";
import type { Caller } from "../../../lib/rpc/authenticate.ts";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import type { HoldBytes } from "./byte-budget.ts";
import type { Part, PartLimits } from "./parts.ts";
import type { RouteHeader } from "./request-headers.ts";
import type { ServiceClients } from "./service-clients.ts";

/**
 * How refusals look to a route's callers: as the Waldiez runner's (`{"detail": …}`),
 * as problem details (RFC 9457), or as OAuth's (RFC 6749 §5.2).
 */
export type ErrorStyle = "waldiez" | "problem" | "oauth";

/** What a body may be sent as. */
export type BodyKind = "json" | "form" | "multipart";

/** What the body of a request is. */
export interface RouteBody<Schema extends z.ZodType = z.ZodType> {
  /** JSON and forms are parsed and checked before `handle`; of a multipart body `handle` reads the parts, and the schema only describes them. */
  readonly kinds: readonly BodyKind[];
  readonly schema: Schema;
  /** Whether a request without a body is good; `schema` then sees undefined. */
  readonly optional?: boolean;
  /** The largest body, in bytes; of a multipart body the largest whole. Default 64 KiB. */
  readonly maxBytes?: number;
}

/** What a route may answer with a status. */
export interface RouteResponse {
  readonly description: string;
  readonly schema?: z.ZodType;
  /** Default `application/json` where there is a schema. */
  readonly contentType?: string;
  /** What it is answered as besides, for callers that ask for it, by media type. */
  readonly otherTypes?: Readonly<Record<string, z.ZodType>>;
}

/** One route: who may call it, what it takes and answers, and what does it. */
export interface HttpRoute {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With `:name` for each parameter. Good with a slash behind it, too. */
  readonly path: string;
  readonly access: Access;
  /** "local": a call that bears no token is the local client's, where the gateway lets such calls in. Unset: it is refused unless `access` is open. */
  readonly anonymous?: "local";
  /** The group that the documentation lists it in. */
  readonly tag: string;
  /** One line; the documentation's heading. */
  readonly summary: string;
  readonly description?: string;
  readonly style: ErrorStyle;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: RouteBody;
  /** The headers that `handle` honours, for whoever reads the documentation. */
  readonly headers?: readonly RouteHeader[];
  /** Every status that it answers by itself, refusals included. */
  readonly responses: Readonly<Record<number, RouteResponse>>;
  /** Answers a call that is admitted and whose parameters, query and body are as the schemas want them. */
  readonly handle: (call: HttpCall) => Promise<HttpAnswer>;
}

/** A request on its way to a route. */
export interface HttpCall<Params = unknown, Query = unknown, Body = unknown> {
  /** Who calls; undefined only on a route that is open. */
  readonly caller: Caller | undefined;
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly headers: IncomingHttpHeaders;
  readonly request: ServerRequest;
  /** Where the call came from. */
  readonly address: string;
  /** As answered in `x-request-id`. */
  readonly requestId: string;
  /** Aborts when the caller hangs up. */
  readonly signal: AbortSignal;
  /** Counts that the call tries credentials of a client; to be called before it is looked whether they are good. Throws RATE_LIMITED. */
  readonly countLogin: (clientId: string) => void;
  /** The services behind, called with what the caller bears. */
  readonly clients: ServiceClients;
  /** To be called before a file is read whole; bodies that were parsed, and the values of fields, are held already. */
  readonly hold: HoldBytes;
  /** The parts of a multipart body, in order; each file must be read before the next part comes. */
  readonly parts: (limits: PartLimits) => AsyncIterable<Part>;
}

/** What a route answers. */
export interface HttpAnswer {
  readonly status: number;
  /** An object is sent as JSON, a string as plain text unless `headers` say otherwise, bytes as they are, or as they come. */
  readonly body?: object | string | Uint8Array | AsyncIterable<Uint8Array>;
  readonly headers?: OutgoingHttpHeaders;
  /** A caller that takes nothing of what comes for so long, in milliseconds, is cut off. Default: only when its connection ends. */
  readonly stalledAfterMs?: number;
}

/** Whether a route is one at which credentials, or a token, are shown in the request itself. */
export function isLogin({ style, method }: HttpRoute): boolean {
  return style === "oauth" && method === "POST";
}

interface RouteSpec<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>
  extends Omit<HttpRoute, "params" | "query" | "body" | "handle"> {
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: RouteBody<Body>;
  readonly handle: (call: HttpCall<z.output<Params>, z.output<Query>, z.output<Body>>) => Promise<HttpAnswer>;
}

/** A route whose `handle` knows what its schemas give. */
export function httpRoute<
  Params extends z.ZodType = z.ZodUndefined,
  Query extends z.ZodType = z.ZodUndefined,
  Body extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<Params, Query, Body>): HttpRoute {
  return {
    ...spec,
    handle: (call) => spec.handle(call as HttpCall<z.output<Params>, z.output<Query>, z.output<Body>>),
  };
}
