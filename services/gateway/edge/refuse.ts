import type { Duplex } from "node:stream";
import type { DomainError, Reason } from "../../../lib/errors/domain-error.ts";
import type { ServerReply, ServerRequest } from "../../../lib/rpc/serve.ts";
import { toConnectError } from "../../../lib/rpc/to-connect-error.ts";
import { answerCall, isCall } from "../../../lib/rpc/unknown-route.ts";
import { refusalAnswer, refusalOf } from "../http/http-error.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import { sendAnswer } from "../http/send-answer.ts";

/** A name that is not ours is told apart from what a caller may not (RFC 9110 §15.5.20). */
const statusOf: Readonly<Partial<Record<Reason, number>>> = { HOST_NOT_TRUSTED: 421 };

/** Refuses a request that nobody has looked at yet, in the protocol that it came by. */
export function refuse(
  request: ServerRequest,
  response: ServerReply,
  { refusal, isLogin }: { readonly refusal: DomainError; readonly isLogin: boolean },
): void {
  const status = statusOf[refusal.reason];
  if (isCall(request)) {
    answerCall(request, response, { error: toConnectError(refusal), ...(status && { status }) });
    return;
  }
  const style = isLogin ? "oauth" : "problem";
  const { reason, message, headers, status: usual } = refusalOf(refusal, style);
  const shown = new HttpRefusal(status ?? usual, message, { ...(reason && { reason }), headers });
  const answer = refusalAnswer(shown, style, String(request.headers["x-request-id"]));
  // Whoever hangs up does not want to know.
  sendAnswer(request, response, answer).catch(() => response.destroy());
}

/** Refuses a connection that somebody wanted to take over. */
export function refuseUpgrade(socket: Duplex, { message, reason }: DomainError): void {
  const text = `${message}\n`;
  const status = statusOf[reason] === 421 ? "421 Misdirected Request" : "403 Forbidden";
  const head = [
    `HTTP/1.1 ${status}`,
    "Connection: close",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(text)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${text}`, () => socket.destroy());
}
