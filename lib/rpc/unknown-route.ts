import type { ConnectError } from "@connectrpc/connect";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import type { ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import { DomainError } from "../errors/domain-error.ts";
import { toConnectError, unknownProcedure } from "./to-connect-error.ts";

/** Answers one HTTP request of either version. Must not throw. */
export type HttpHandler = NonNullable<ConnectNodeAdapterOptions["fallback"]>;

export type ServerRequest = Parameters<HttpHandler>[0];
export type ServerReply = Parameters<HttpHandler>[1];

/** `/package.v1.Service/Method`: no page or file of ours has such a name. */
const procedurePath = /^\/(?:\w+\.)+[A-Z]\w*\/[A-Z]\w*$/;

/** Whether a request is a call: of gRPC and gRPC-web by its content type, whatever the path; of Connect by a path of the form of a procedure's. */
export function isCall({ url = "", headers }: ServerRequest): boolean {
  const [path = ""] = url.split("?", 1);
  return headers["content-type"]?.startsWith("application/grpc") === true || procedurePath.test(path);
}

/** Answers a call with an error before its handler has seen it, in the protocol that it came by. */
export function answerCall(
  request: ServerRequest,
  response: ServerReply,
  { error, status }: { readonly error: ConnectError; readonly status?: number },
): void {
  const contentType = request.headers["content-type"] ?? "";
  if (contentType.startsWith("application/grpc")) answerGrpc(contentType, error, response);
  else answerJson(error, status, response);
}

/** Answers a call of a procedure that nobody serves, and says whether it was one. */
export function answerUnknownProcedure(request: ServerRequest, response: ServerReply): boolean {
  if (!isCall(request)) return false;
  const [path = ""] = (request.url ?? "").split("?", 1);
  answerCall(request, response, { error: unknownProcedure(path), status: 404 });
  return true;
}

/** Answers 404 with a reason, for a path at which nothing is. */
export const notFound: HttpHandler = (request, response) => {
  const [path = ""] = (request.url ?? "").split("?", 1);
  answerJson(
    toConnectError(new DomainError("ROUTE_NOT_FOUND", `nothing is served at ${path}`)),
    404,
    response,
  );
};

/** Answers an error as Connect's JSON does: `{code, message, details}`. */
export function answerJson(error: ConnectError, status: number | undefined, response: ServerReply): void {
  const body = Buffer.from(JSON.stringify(errorToJson(error, undefined)));
  response.writeHead(status ?? codeToHttpStatus(error.code), {
    "content-type": "application/json",
    "content-length": String(body.length),
  });
  response.end(body);
}

/** A status without a message: of gRPC in the trailers, of gRPC-web, whose trailers would be a body, in the headers. */
function answerGrpc(contentType: string, error: ConnectError, response: ServerReply): void {
  const status = Object.fromEntries(setTrailerStatus(new Headers(), error));
  if (contentType.startsWith("application/grpc-web")) {
    response.writeHead(200, { "content-type": contentType, ...status });
  } else {
    response.writeHead(200, { "content-type": contentType });
    response.addTrailers(status);
  }
  response.end();
}

/** Code and text for a request that reaches a procedure by the wrong verb, media type or HTTP version. */
export function misdirected(status: number): ConnectError | undefined {
  const message = messageOf[status];
  return message === undefined ? undefined : toConnectError(new DomainError("FIELD_INVALID", message));
}

const messageOf: Readonly<Record<number, string>> = {
  405: "this procedure takes POST, and GET only if it changes nothing",
  415: "the content type is none of application/json, application/proto, application/connect+json, application/connect+proto, application/grpc, application/grpc-web",
  505: "a bidirectional stream needs HTTP/2",
};
