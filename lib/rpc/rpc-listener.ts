import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import type { Logger } from "../log/log.ts";
import {
  answerJson,
  answerUnknownProcedure,
  type HttpHandler,
  misdirected,
  notFound,
  type ServerReply,
  type ServerRequest,
} from "./unknown-route.ts";

/** What an HTTP server hands its requests to: procedures to their handlers, everything else to `fallback`. */
export function rpcListener(
  handlers: readonly UniversalHandler[],
  { log, fallback = notFound }: { readonly log: Logger; readonly fallback?: HttpHandler | undefined },
): HttpHandler {
  const handlerAt = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const [path = ""] = (request.url ?? "").split("?", 1);
    const handler = handlerAt.get(path);
    if (handler !== undefined) {
      answer(handler, request, response).catch((error: unknown) => {
        // A caller that hangs up in the middle is no failure.
        if (ConnectError.from(error).code === Code.Aborted) return;
        log.debug({ rpc: path.slice(1), err: error }, "answer not delivered");
      });
      return;
    }
    if (!answerUnknownProcedure(request, response)) fallback(request, response);
  };
}

async function answer(
  handler: UniversalHandler,
  request: ServerRequest,
  response: ServerReply,
): Promise<void> {
  const universal = readable(request, response);
  if (universal === undefined) {
    response.writeHead(400);
    response.end();
    return;
  }
  const reply = await handler(universal);
  // What is left of a body that was not read would be taken for the next request.
  const isRead = request.complete && request.readableLength === 0;
  if (!isRead && request.httpVersionMajor === 1) response.setHeader("connection", "close");
  const mistake = reply.body === undefined ? misdirected(reply.status) : undefined;
  if (mistake !== undefined) answerJson(mistake, reply.status, withHeaders(reply, response));
  else await universalResponseToNodeResponse(reply, response);
}

/** The request as Connect wants it; undefined when its authority or path is no URL, at which Connect would throw out of the event. */
function readable(request: ServerRequest, response: ServerReply) {
  try {
    return universalRequestFromNodeRequest(request, response, undefined, undefined);
  } catch {
    return undefined;
  }
}

function withHeaders({ header }: UniversalServerResponse, response: ServerReply): ServerReply {
  new Headers(header).forEach((value, name) => {
    response.setHeader(name, value);
  });
  return response;
}
