/*
 * Passes calls on to the service behind, whatever they are about.
 *
 *   P1. A message is read from one side only when the other has taken the one
 *       before, so a stalled peer stalls the other and nothing piles up here.
 *   P2. The end of the caller's call, by abort, deadline or hanging up, aborts
 *       the call behind.
 *   P3. The caller sees the messages, the metadata and the error with all its
 *       details as the service behind gave them; when that does not answer,
 *       UNAVAILABLE with the reason SERVICE_UNAVAILABLE.
 *   P4. Nothing is tried twice: only the caller knows what may be repeated.
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type HandlerContext,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { type Caller, callerIn } from "../../lib/rpc/authenticate.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { addHeaders, forwardedHeaders } from "./forwarded-headers.ts";
import { isOutage } from "./outage.ts";

type Message = MessageInitShape<DescMessage>;

/** Where calls are passed on to, and how. */
export interface Behind {
  /** Bears no token of its own: the caller's headers go along. */
  readonly transport: Transport;
  /** The token that goes along instead of the one that a caller showed; undefined leaves that one. */
  readonly tokenFor: (caller: Caller | undefined) => string | undefined;
}

/** Adds every method of a service to a router, each answered by the service behind. */
export function proxy(router: ConnectRouter, service: DescService, behind: Behind): void {
  const implementation = Object.fromEntries(
    service.methods.map((method) => [method.localName, passedOn[method.methodKind](method, behind)]),
  );
  router.service(service, implementation as Partial<ServiceImpl<DescService>>);
}

/** The handler of a method, by what flows in which direction. */
const passedOn: Readonly<Record<DescMethod["methodKind"], (method: DescMethod, behind: Behind) => unknown>> =
  {
    unary: (method, behind) => (request: Message, context: HandlerContext) =>
      unary(method as DescMethodUnary, behind, request, context),
    server_streaming: (method, behind) => (request: Message, context: HandlerContext) =>
      streamed(method as DescMethodStreaming, behind, once(request), context),
    client_streaming: (method, behind) => (requests: AsyncIterable<Message>, context: HandlerContext) =>
      only(streamed(method as DescMethodStreaming, behind, requests, context)),
    bidi_streaming: (method, behind) => (requests: AsyncIterable<Message>, context: HandlerContext) =>
      streamed(method as DescMethodStreaming, behind, requests, context),
  };

async function unary(
  method: DescMethodUnary,
  behind: Behind,
  request: Message,
  context: HandlerContext,
): Promise<Message> {
  try {
    const header = headersFor(context, behind);
    const answer = await behind.transport.unary(method, context.signal, context.timeoutMs(), header, request);
    addHeaders(context.responseHeader, forwardedHeaders(answer.header));
    addHeaders(context.responseTrailer, forwardedHeaders(answer.trailer));
    return answer.message;
  } catch (thrown) {
    throw passedOnError(thrown, method, context.signal);
  }
}

async function* streamed(
  method: DescMethodStreaming,
  behind: Behind,
  requests: AsyncIterable<Message>,
  context: HandlerContext,
): AsyncIterable<Message> {
  try {
    const header = headersFor(context, behind);
    const answers = await behind.transport.stream(
      method,
      context.signal,
      context.timeoutMs(),
      header,
      requests,
    );
    addHeaders(context.responseHeader, forwardedHeaders(answers.header));
    yield* answers.message;
    addHeaders(context.responseTrailer, forwardedHeaders(answers.trailer));
  } catch (thrown) {
    throw passedOnError(thrown, method, context.signal);
  }
}

function headersFor({ requestHeader, values }: HandlerContext, { tokenFor }: Behind): Headers {
  const header = forwardedHeaders(requestHeader);
  const token = tokenFor(callerIn(values));
  if (token !== undefined) header.set("authorization", `Bearer ${token}`);
  return header;
}

async function* once(request: Message): AsyncIterable<Message> {
  yield request;
}

async function only(answers: AsyncIterable<Message>): Promise<Message> {
  let answer: Message | undefined;
  for await (const next of answers) answer ??= next;
  if (answer === undefined) throw new ConnectError("the service behind gave no answer", Code.Internal);
  return answer;
}

/**
 * The error as the caller is to see it. A new one, because Connect passes on no
 * metadata of an error that came by wire, and not all of it may cross.
 */
function passedOnError(thrown: unknown, { parent }: DescMethod, signal: AbortSignal): ConnectError {
  const error = ConnectError.from(thrown);
  if (!signal.aborted && isOutage(error)) {
    const message = `the service behind ${parent.typeName} does not answer`;
    const metadata = { service: parent.typeName };
    return toConnectError(new DomainError("SERVICE_UNAVAILABLE", message, metadata, { cause: error }));
  }
  const crossing = forwardedHeaders(error.metadata);
  const passed = new ConnectError(error.rawMessage, error.code, crossing, undefined, error.cause);
  passed.details = error.details;
  return passed;
}
