import type { Interceptor, StreamRequest, StreamResponse } from "@connectrpc/connect";
import {
  type AttachRequest,
  type AttachResponse,
  TaskIOService,
} from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { answering, publicAccess } from "../../../lib/rpc/access.ts";
import { callerIn } from "../../../lib/rpc/authenticate.ts";
import { nameOf } from "../../../lib/rpc/routes.ts";
import { callerAddressHeader } from "../../../lib/rpc/tokens.ts";
import { type Act, type Conduct, outcomeOf } from "./conduct.ts";

/** Counts and takes down what callers of the public procedures do; of answers in a stream each by itself. */
export function guardCalls(conduct: Conduct): Interceptor {
  return (next) => async (request) => {
    const action = nameOf(request.method);
    const access = publicAccess[action];
    if (access === undefined) return await next(request);
    const act: Act = {
      action,
      access,
      caller: callerIn(request.contextValues),
      address: request.header.get(callerAddressHeader) ?? "",
      requestId: request.header.get("x-request-id") ?? "",
      isLogin: access === "open",
    };
    if (!request.stream)
      return await conduct.carryOut(
        act,
        async () => {
          const named = act.isLogin ? clientNamedIn(request.message) : undefined;
          if (named !== undefined) conduct.takeLoginAs(named);
          return await next(request);
        },
        (answer) => [request.message, answer?.message],
      );
    const streamed = async (changed: StreamRequest) => (await next(changed)) as StreamResponse;
    if (action === attach) return await attachment(conduct, { ...act, access: answering }, request, streamed);
    return conduct.minds(act) ? await upload(conduct, act, request, streamed) : await next(request);
  };
}

const attach = nameOf(TaskIOService.method.attach);

/** The client that a request for or about a token says it is from. */
function clientNamedIn(message: object): string | undefined {
  const { clientId } = message as { readonly clientId?: unknown };
  return typeof clientId === "string" && clientId !== "" ? clientId : undefined;
}

type Streamed = (request: StreamRequest) => Promise<StreamResponse>;

/** A stream that carries one act out, which is named by its first message or by its answer. */
async function upload(
  conduct: Conduct,
  act: Act,
  request: StreamRequest,
  next: Streamed,
): Promise<StreamResponse> {
  conduct.take(act);
  const about: unknown[] = [];
  const begun = noting(request.message, (message) => {
    if (about.length === 0) about.push(message);
  });
  const answer = await next({ ...request, message: begun });
  return { ...answer, message: concluded(answer.message) };

  async function* concluded<Message>(messages: AsyncIterable<Message>) {
    // What a caller does not wait for ends as if it had been called back.
    let outcome = "CANCELED";
    try {
      for await (const message of messages) {
        about.push(message);
        yield message;
      }
      outcome = "ok";
    } catch (thrown) {
      outcome = outcomeOf(thrown);
      throw thrown;
    } finally {
      conduct.note(act, outcome, about);
    }
  }
}

/** A stream in which a caller answers prompts. */
async function attachment(
  conduct: Conduct,
  act: Act,
  request: StreamRequest,
  next: Streamed,
): Promise<StreamResponse> {
  let taskId = "";
  const requests = noting(request.message as AsyncIterable<AttachRequest>, ({ request: asked }) => {
    if (asked.case === "open") taskId = asked.value.taskId;
    else if (asked.case === "answer") conduct.take(act);
  });
  const answer = await next({ ...request, message: requests });
  const responses = noting(answer.message as AsyncIterable<AttachResponse>, ({ response }) => {
    if (response.case === "accepted") conduct.note(act, "ok", [{ taskId }, response.value]);
    else if (response.case === "refused")
      conduct.note(act, response.value.reason, [{ taskId }, response.value]);
  });
  return { ...answer, message: responses };
}

async function* noting<Message>(
  messages: AsyncIterable<Message>,
  note: (message: Message) => void,
): AsyncGenerator<Message> {
  for await (const message of messages) {
    note(message);
    yield message;
  }
}
