import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import type { DomainError, Reason } from "../../../lib/errors/domain-error.ts";
import type { ServerReply, ServerRequest } from "../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { answerCall, isCall } from "../../../lib/rpc/unknown-route.ts";
import { refusalAnswer, refusalOf } from "../http/http-error.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import type { ErrorStyle, HttpAnswer } from "../http/route.ts";
import { sendAnswer } from "../http/send-answer.ts";
import { refuseHandshake } from "../websocket/refuse-handshake.ts";

/** A name that is not ours is told apart from what a caller may not (RFC 9110 §15.5.20). */
const statusOf: Readonly<Partial<Record<Reason, number>>> = { HOST_NOT_TRUSTED: 421 };

/** Refuses a request that nobody has looked at yet, in the protocol that it came by. */
export function refuse(
  request: ServerRequest,
  response: ServerReply,
  { refusal, isLogin }: { readonly refusal: DomainError; readonly isLogin: boolean },
): void {
  if (isCall(request)) {
    const status = statusOf[refusal.reason];
    answerCall(request, response, { error: toConnectError(refusal), ...(status && { status }) });
    return;
  }
  const answer = plainAnswer(refusal, isLogin ? "oauth" : "problem", request.headers);
  // Whoever hangs up does not want to know.
  sendAnswer(request, response, answer).catch(() => response.destroy());
}

/** Refuses a connection that somebody wanted to take over. */
export function refuseUpgrade(socket: Duplex, refusal: DomainError, headers: IncomingHttpHeaders): void {
  refuseHandshake(socket, plainAnswer(refusal, "problem", headers));
}

function plainAnswer(refusal: DomainError, style: ErrorStyle, asked: IncomingHttpHeaders): HttpAnswer {
  const { reason, message, headers, status } = refusalOf(refusal, style);
  const shown = new HttpRefusal(statusOf[refusal.reason] ?? status, message, {
    ...(reason && { reason }),
    headers,
  });
  return refusalAnswer(shown, style, String(asked["x-request-id"]));
}
