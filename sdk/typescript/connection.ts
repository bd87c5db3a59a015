import { randomUUID } from "node:crypto";
import type { Http2Session } from "node:http2";
import { createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { AccessToken, type Credentials } from "./access-token.ts";
import { Patience } from "./patience.ts";
import { refusalOf } from "./refusal.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

/** How often a connection with open calls is asked for a sign of life. */
const pingIntervalMs = 15_000;

/** A server that has not answered by then is gone, and calls to it fail. */
const pingTimeoutMs = 10_000;

/** Messages are at most 8 MiB. */
const maxMessageBytes = 8 * 1024 * 1024;

/** How long a call is repeated whose run has no owner, or whose service no database, at the moment. */
const repeatForMs = 15_000;

/** Outages behind a server that answers. They pass, and the call may be repeated with the same request id. */
const passingReasons = new Set(["OWNER_UNAVAILABLE", "DATABASE_UNAVAILABLE", "BROKER_UNAVAILABLE"]);

/** A way to a server, with a token on every call. Disposing of it ends the calls that are open. */
export interface Connection extends Disposable {
  readonly transport: Transport;
  /** The token that calls bear at the moment. */
  readonly token: () => Promise<string>;
}

/**
 * Connects to a server by gRPC over HTTP/2, with the first call and again after
 * a loss.
 *
 * Every mutation gets a `request_id` unless it has one, so a unary call that
 * meets a passing outage is repeated, for 15 s, and never counts twice. A server
 * that can not be reached at all is told at once. Throws when a file of `tls` can
 * not be read.
 */
export function connect(url: string, credentials: Credentials, tls: TlsFiles): Connection {
  const sessions = new Http2SessionManager(url, { pingIntervalMs, pingTimeoutMs }, readTlsFiles(tls));
  const options = { baseUrl: url, sessionManager: heard(sessions), writeMaxBytes: maxMessageBytes };
  const auth = createClient(AuthService, createGrpcTransport(options));
  const token = new AccessToken(auth, credentials);
  return {
    transport: createGrpcTransport({ ...options, interceptors: [named, repeated, bearing(token)] }),
    token: () => token.get(),
    [Symbol.dispose]: () => sessions.abort(),
  };
}

/**
 * A session can fail once more after its calls have, when the manager hears it
 * no longer: a server that speaks no HTTP/2 does that. Unheard, that error would
 * end the process.
 */
function heard(
  sessions: Http2SessionManager,
): Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead"> {
  const known = new WeakSet<Http2Session>();
  return {
    authority: sessions.authority,
    request: async (...call) => {
      const stream = await sessions.request(...call);
      const { session } = stream;
      if (session !== undefined && !known.has(session)) {
        known.add(session);
        session.on("error", () => {});
      }
      return stream;
    },
    notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
  };
}

/** Gives a mutation its `request_id`, so that a repeat of it is known. */
const named: Interceptor = (next) => (request) => {
  const field = request.stream ? undefined : request.method.input.field["requestId"];
  if (field !== undefined && !request.stream) {
    const message = request.message as { requestId?: string };
    message.requestId ||= randomUUID();
  }
  return next(request);
};

const repeated: Interceptor = (next) => async (request) => {
  const patience = new Patience(repeatForMs);
  for (;;) {
    try {
      return await next(request);
    } catch (thrown) {
      if (request.stream || !passingReasons.has(refusalOf(thrown).reason)) throw thrown;
      if (!(await patience.pause(request.signal))) throw thrown;
    }
  }
};

/** Puts the token on each call; a unary call whose token has expired is repeated once with a new one. */
function bearing(token: AccessToken): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", `Bearer ${await token.get()}`);
    try {
      return await next(request);
    } catch (thrown) {
      if (refusalOf(thrown).reason !== "TOKEN_EXPIRED") throw thrown;
      token.forget();
      if (request.stream) throw thrown;
      request.header.set("authorization", `Bearer ${await token.get()}`);
      return next(request);
    }
  };
}
