/*
 * What stands before every request of the port, whatever it is for.
 *
 *   G1. `x-request-id` and the caller's address are ours from here on: what came
 *       from outside under these names is checked or replaced, and goes along to
 *       the services behind.
 *   G2. A request by a name that is not ours is refused before anything else, and
 *       so is one that a page of somebody else's would change something with on
 *       the strength of what a browser adds by itself.
 *   G3. A refusal is in the protocol of the request, and says who may read it.
 */

import type { IncomingHttpHeaders } from "node:http";
import type { Interceptor } from "@connectrpc/connect";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import type { Logger } from "../../../lib/log/log.ts";
import type { HttpHandler, ServerReply, ServerRequest, UpgradeHandler } from "../../../lib/rpc/serve.ts";
import { callerAddressHeader } from "../../../lib/rpc/tokens.ts";
import { requestIdOf } from "../http/request-id.ts";
import { AuditLog } from "./audit-log.ts";
import { callerAddress } from "./caller-address.ts";
import { Conduct } from "./conduct.ts";
import { crossOriginHeaders, isPreflight, preflightHeaders } from "./cross-origin.ts";
import { guardCalls } from "./guard-calls.ts";
import { type HostRule, hostRule } from "./host-rule.ts";
import { type OriginSettings, Origins } from "./origins.ts";
import { type RateLimitSettings, RateLimits } from "./rate-limits.ts";
import { refuse, refuseUpgrade } from "./refuse.ts";

export interface EdgeSettings extends OriginSettings {
  /** The names that the installation is known by; none: any, unless it is bound to loopback. */
  readonly trustedHosts: readonly string[];
  /** Whether browsers are told never to ask without TLS again. */
  readonly forceSsl: boolean;
  /** How many proxies of the operator's stand before the port. */
  readonly forwardedForHops: number;
  readonly rateLimits: RateLimitSettings;
  /** The file that takes acts down; absent: none does. */
  readonly auditLog?: string | undefined;
}

/** Probes ask by address, whatever the installation's name; their answers tell nothing. */
const probedPaths = new Set(["/health", "/healthz"]);

/** What changes nothing, whoever asks for it. */
const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

const hourSeconds = 3_600;
const strictTransport = `max-age=${365 * 24 * hourSeconds}`;

/** The edge of a port. Disposing of it closes the audit log. */
export class Edge implements AsyncDisposable {
  /** For what admitted callers do. */
  readonly conduct: Conduct;
  /** Holds the callers of procedures to `conduct`. */
  readonly interceptor: Interceptor;
  readonly #hosts: HostRule;
  readonly #origins: Origins;
  readonly #limits: RateLimits;
  readonly #settings: EdgeSettings;
  readonly #audit: AuditLog | undefined;

  private constructor(settings: EdgeSettings, boundTo: string, audit: AuditLog | undefined) {
    this.#settings = settings;
    this.#hosts = hostRule({ boundTo, trusted: settings.trustedHosts });
    this.#origins = new Origins(settings);
    this.#limits = new RateLimits(settings.rateLimits);
    this.#audit = audit;
    this.conduct = new Conduct(this.#limits, audit);
    this.interceptor = guardCalls(this.conduct);
  }

  /** Rejects when the audit log can not be opened. */
  static async open(
    settings: EdgeSettings,
    {
      boundTo,
      log,
    }: { /** The address that the port listens at. */ readonly boundTo: string; readonly log: Logger },
  ): Promise<Edge> {
    const { auditLog } = settings;
    return new Edge(
      settings,
      boundTo,
      auditLog === undefined ? undefined : await AuditLog.open(auditLog, log),
    );
  }

  /** Stands before `next`. `isLogin`: whether a path is one at which credentials are tried. */
  around(next: HttpHandler, isLogin: (path: string) => boolean): HttpHandler {
    return (request, response) => {
      const address = this.#name(request);
      for (const [name, value] of Object.entries(this.#answerHeaders(request)))
        response.setHeader(name, value);
      const [path = ""] = (request.url ?? "").split("?", 1);
      const refusal =
        this.#refusal(request, path) ??
        (request.method !== "OPTIONS" && isLogin(path) ? this.#limited(address) : undefined);
      if (refusal !== undefined) refuse(request, response, { refusal, isLogin: isLogin(path) });
      else if (isPreflight(request)) answerPreflight(response);
      else next(request, response);
    };
  }

  /** Stands before who takes connections over. */
  aroundUpgrade(next: UpgradeHandler): UpgradeHandler {
    return (request, socket, head, closing) => {
      this.#name(request);
      const refusal = this.#untrustedHost(request);
      if (refusal === undefined) next(request, socket, head, closing);
      else refuseUpgrade(socket, refusal, request.headers);
    };
  }

  /** Whether a request may be believed on the strength of what a browser adds by itself, as cookies. */
  isAllowedOrigin({ headers }: { readonly headers: IncomingHttpHeaders }): boolean {
    return this.#origins.allow(headers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#audit?.[Symbol.asyncDispose]();
  }

  /** Gives a request its name and its origin (G1); answers the latter. */
  #name(request: Pick<ServerRequest, "headers" | "socket">): string {
    const address = callerAddress(request, this.#settings.forwardedForHops);
    request.headers["x-request-id"] = requestIdOf(request);
    request.headers[callerAddressHeader] = address;
    return address;
  }

  #answerHeaders(request: ServerRequest): Readonly<Record<string, string>> {
    const isEncrypted = "encrypted" in request.socket;
    return {
      "x-request-id": String(request.headers["x-request-id"]),
      "cross-origin-opener-policy": "same-origin",
      ...((isEncrypted || this.#settings.forceSsl) && { "strict-transport-security": strictTransport }),
      ...crossOriginHeaders(request, this.#origins),
    };
  }

  #refusal(request: ServerRequest, path: string): DomainError | undefined {
    const refusal = probedPaths.has(path) ? undefined : this.#untrustedHost(request);
    if (refusal !== undefined) return refusal;
    const { method = "", headers } = request;
    // A token is nothing that a browser adds by itself.
    const isBelieved = headers.authorization !== undefined || this.#origins.allow(headers);
    if (isBelieved || (safeMethods.has(method) && !isPreflight(request))) return undefined;
    const { origin = "" } = headers;
    const message = `pages of ${origin} may not use this installation; BACKEND_CORS_ORIGINS lists which may`;
    return new DomainError("ORIGIN_NOT_TRUSTED", message, { origin });
  }

  #untrustedHost({ headers }: Pick<ServerRequest, "headers">): DomainError | undefined {
    const named = headers[":authority"] ?? headers.host;
    const host = typeof named === "string" ? named : undefined;
    if (this.#hosts.allows(host)) return undefined;
    const message =
      "the request names a host that this installation is not known by; TRUSTED_HOSTS lists them";
    return new DomainError("HOST_NOT_TRUSTED", message, { host: host?.slice(0, 300) ?? "" });
  }

  #limited(address: string): DomainError | undefined {
    try {
      this.#limits.takeLogin(address);
      return undefined;
    } catch (refusal) {
      if (refusal instanceof DomainError) return refusal;
      throw refusal;
    }
  }
}

function answerPreflight(response: ServerReply): void {
  for (const [name, value] of Object.entries(preflightHeaders)) response.setHeader(name, value);
  response.statusCode = 204;
  response.end();
}
