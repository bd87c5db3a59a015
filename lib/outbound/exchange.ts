/*
 * One call by HTTP, from its request to its whole response.
 *
 *   X1. It ends when its time is over or its caller wants no answer any more, in
 *       every phase.
 *   X2. Redirects are followed here, at most `maxRedirects`, so that each of them
 *       is checked like the first request.
 *   X3. No more of a response is in memory than `maxBytes`, however it is
 *       compressed.
 *   X4. No message holds a header of the request, credentials of a URL or its
 *       query: what clients keep secret stands there.
 */
import { errors } from "undici";
import { AddressRefused, type OpenClient } from "./call-client.ts";
import { isRedirect, redirected } from "./redirect.ts";
import { acceptedEncodings, type ReadBody, readBody } from "./response-body.ts";

export interface CallRequest {
  readonly method: string;
  /** Of http or https, without credentials and fragment. */
  readonly url: URL;
  /** By lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface CallResponse {
  readonly kind: "answered";
  readonly status: number;
  /** By lower-case names; of several of one name the first. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Buffer;
  /** The bytes decoded as UTF-8, anew each time; what is not is replaced. */
  readonly text: string;
  /** What answered in the end. */
  readonly request: CallRequest;
}

/** Why a call was not answered. */
export interface CallFailure {
  readonly kind: "failed";
  readonly reason:
    | "NETWORK_ERROR"
    | "CALL_TIMEOUT"
    | "ADDRESS_REFUSED"
    | "REDIRECT_REFUSED"
    | "RESPONSE_TOO_LARGE"
    | "RESPONSE_INVALID";
  /** For people. */
  readonly message: string;
  /** Another try will do no better. */
  readonly nonRetryable?: boolean;
}

export interface ExchangeOptions {
  readonly openClient: OpenClient;
  /** Aborts when nobody wants the answer any more. */
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** 0 hands a redirect over like any other response. */
  readonly maxRedirects: number;
  /** The setting by which an operator allows other than public addresses, for messages. */
  readonly allowedBy: string;
}

/** A call that was answered, whatever the status; or why it was not. */
export type Exchanged = CallResponse | CallFailure | { readonly kind: "cancelled" };

type Hop = CallResponse | CallFailure | { readonly kind: "redirect"; readonly to: CallRequest };

/** Makes a call. */
export async function exchange(request: CallRequest, options: ExchangeOptions): Promise<Exchanged> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = AbortSignal.any([options.signal, timeout]);
  let current = request;
  try {
    for (let left = options.maxRedirects; ; left -= 1) {
      const hop = await send(current, { ...options, signal });
      if (hop.kind !== "redirect") return hop;
      if (left === 0) return refusedRedirect(current, `after ${options.maxRedirects} others`);
      current = hop.to;
    }
  } catch (error) {
    if (options.signal.aborted) return { kind: "cancelled" };
    if (timeout.aborted) {
      const message = `${shown(current)} was not answered within ${options.timeoutMs / 1_000} s`;
      return { kind: "failed", reason: "CALL_TIMEOUT", message };
    }
    return unanswered(error, current, options.allowedBy);
  }
}

/** A request as messages show it. */
export function shown({ method, url }: Pick<CallRequest, "method" | "url">): string {
  const place = `${url.origin}${url.pathname}`;
  return `${method} ${place.length > 200 ? `${place.slice(0, 200)}…` : place}`;
}

async function send(request: CallRequest, options: ExchangeOptions): Promise<Hop> {
  const { method, url, body } = request;
  const client = options.openClient(url.origin, options.signal);
  try {
    const response = await client.request({
      method,
      path: `${url.pathname}${url.search}`,
      headers: { "accept-encoding": acceptedEncodings, ...request.headers },
      body: body ?? null,
      signal: options.signal,
    });
    // Whoever reads it hears of its errors; after that there is nobody to tell.
    response.body.on("error", () => undefined);
    const headers = firstOfEach(response.headers);
    const status = response.statusCode;
    const location = headers.get("location");
    if (options.maxRedirects > 0 && isRedirect(status) && location !== undefined) {
      const next = redirected(request, { status, location });
      return next.kind === "follow"
        ? { kind: "redirect", to: next.request }
        : refusedRedirect(request, next.why);
    }
    const read = await readBody(response.body, {
      // Without a body there is nothing that could be compressed.
      encoding: method === "HEAD" ? undefined : headers.get("content-encoding"),
      maxBytes: options.maxBytes,
    });
    if (read.kind !== "read") return notRead(read.kind, request, options.maxBytes);
    const { bytes } = read;
    return {
      kind: "answered",
      status,
      headers,
      bytes,
      get text() {
        return bytes.toString("utf8");
      },
      request,
    };
  } finally {
    await client.destroy();
  }
}

function refusedRedirect(request: CallRequest, why: string): CallFailure {
  const message = `${shown(request)} redirects ${why}, which is not followed`;
  return { kind: "failed", reason: "REDIRECT_REFUSED", message, nonRetryable: true };
}

function notRead(
  kind: Exclude<ReadBody["kind"], "read">,
  request: CallRequest,
  maxBytes: number,
): CallFailure {
  return kind === "too_large"
    ? {
        kind: "failed",
        reason: "RESPONSE_TOO_LARGE",
        message: `the response to ${shown(request)} has more than ${maxBytes} bytes`,
        nonRetryable: true,
      }
    : {
        kind: "failed",
        reason: "RESPONSE_INVALID",
        message: `the response to ${shown(request)} is compressed in a way that can not be read`,
        nonRetryable: true,
      };
}

/** Why there was no response. Throws what is not an error of the network. */
function unanswered(error: unknown, request: CallRequest, allowedBy: string): CallFailure {
  if (error instanceof AddressRefused) {
    const message =
      `${shown(request)} is refused: ${error.host} leads to no public address; ` +
      `an operator allows others by ${allowedBy}`;
    return { kind: "failed", reason: "ADDRESS_REFUSED", message, nonRetryable: true };
  }
  const code = error instanceof errors.HTTPParserError ? error.name : (error as NodeJS.ErrnoException).code;
  if (typeof code !== "string") throw error;
  return { kind: "failed", reason: "NETWORK_ERROR", message: `${shown(request)} got no response: ${code}` };
}

function firstOfEach(headers: Readonly<Record<string, string | string[] | undefined>>): Map<string, string> {
  const first = new Map<string, string>();
  for (const [name, value] of Object.entries(headers)) {
    const text = typeof value === "string" ? value : value?.[0];
    if (text !== undefined) first.set(name.toLowerCase(), text);
  }
  return first;
}
