/*
 * Speaks WebSocket with clients of the Waldiez runner: `/ws/{task_id}`.
 *
 *   E1. A request is accepted only when its token, its task and the way to the
 *       task's transcript are known to be good; else it is refused by a status,
 *       403 for everything that its caller could know, and a body that says why.
 *   E2. Every socket that was taken over is closed, or destroyed, whatever happens.
 *   E3. Nothing is kept but the open sockets. Disposing waits until the last of
 *       them is over.
 */

import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { Logger } from "../../../lib/log/log.ts";
import { answering } from "../../../lib/rpc/access.ts";
import type { UpgradeHandler } from "../../../lib/rpc/serve.ts";
import { callerAddressHeader } from "../../../lib/rpc/tokens.ts";
import type { Conduct } from "../edge/conduct.ts";
import { followedTask, type News } from "../events/followed-task.ts";
import { refusalAnswer, refusalOf } from "../http/http-error.ts";
import { HttpRefusal } from "../http/http-refusal.ts";
import { requestIdOf } from "../http/request-id.ts";
import { WatcherQuota } from "../watcher-quota.ts";
import type { Place } from "./frame-id.ts";
import { GivenAnswers } from "./given-answers.ts";
import { type Handshake, type HandshakeNeeds, handshake } from "./handshake.ts";
import { protocolOf } from "./handshake-token.ts";
import { refuseHandshake } from "./refuse-handshake.ts";
import { statusFrame } from "./status-frame.ts";
import { taskSocket } from "./task-socket.ts";
import { TranscriptFrames } from "./transcript-frames.ts";

/** The longest message of a peer, in bytes: the longest answer, escaped. */
const longestMessage = 128 * 1024;

export interface WebSocketNeeds extends HandshakeNeeds {
  /** Bounds how much a caller may answer, and takes it down; undefined: nobody does. */
  readonly conduct?: Pick<Conduct, "carryOut"> | undefined;
  readonly log: Logger;
}

/** Takes connections over; to be disposed of after the port that hands them over (E3). */
export interface WebSocketEndpoint extends AsyncDisposable {
  readonly upgrade: UpgradeHandler;
}

/** Serves `/ws/{task_id}`. */
export function webSocketEndpoint(needs: WebSocketNeeds): WebSocketEndpoint {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // By `answerPings`.
    autoPong: false,
    perMessageDeflate: false,
    maxPayload: longestMessage,
    handleProtocols: (offered) => protocolOf(offered) ?? false,
  });
  const quota = new WatcherQuota();
  const open = new Set<Promise<void>>();
  return {
    upgrade(request, socket, head, closing) {
      const requestId = requestIdOf(request);
      const served = serve(needs, { server, quota, request, requestId, socket, head, closing })
        .catch((err: unknown) => {
          needs.log.error({ err }, "WebSocket failed");
          socket.destroy();
        })
        .finally(() => open.delete(served));
      open.add(served);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(open);
    },
  };
}

interface Asking {
  readonly server: WebSocketServer;
  readonly quota: WatcherQuota;
  readonly request: IncomingMessage;
  readonly requestId: string;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly closing: AbortSignal;
}

async function serve(needs: WebSocketNeeds, asking: Asking): Promise<void> {
  const { socket, requestId, closing } = asking;
  const over = new AbortController();
  socket.on("error", () => socket.destroy());
  socket.once("close", () => over.abort());
  const admitted = await admit(needs, asking, over.signal);
  if (admitted === undefined) return;
  using _place = admitted.place;
  const peer = accepted(asking);
  if (peer === undefined) return over.abort();
  const { shaken, news } = admitted;
  const { taskId, name } = shaken.task;
  const onDefect = (err: unknown): void => needs.log.error({ err, requestId }, "WebSocket failed");
  const answers = new GivenAnswers(peer, {
    taskId,
    taskio: shaken.clients.taskio,
    guarded: guardedBy(needs.conduct, asking, shaken),
    onDefect,
    closing,
  });
  await taskSocket(peer, {
    status: statusFrame(shaken, new Date()),
    news,
    frames: new TranscriptFrames({ taskId: shaken.shownId, after: shaken.after }),
    answers,
    lastLine: lastLineOf(name, shaken.shownId),
    onDefect,
    closing,
    over,
  });
}

/** What a request that may be accepted is served with. */
interface Admitted {
  readonly shaken: Handshake;
  readonly news: AsyncIterable<News>;
  /** Its place among the open sockets. */
  readonly place: Disposable;
}

/** Looks whether a request may be accepted (E1); one that may not is refused, and undefined. */
async function admit(
  needs: WebSocketNeeds,
  { quota, request, requestId, socket }: Asking,
  signal: AbortSignal,
): Promise<Admitted | undefined> {
  await using stack = new AsyncDisposableStack();
  try {
    const shaken = await handshake(request, requestId, needs);
    const place = stack.use(placeFor(quota, shaken));
    const news = followedTask(shaken.clients.taskio, {
      taskId: shaken.task.taskId,
      after: entryBefore(shaken.after),
      signal,
      hasFreshTokens: shaken.caller.externalSubject !== undefined,
    });
    // The snapshot, for which the status frame stands: with it the way to the transcript is good.
    await news.next();
    stack.move();
    return { shaken, news, place };
  } catch (thrown) {
    if (signal.aborted) return undefined;
    const refusal = refusalForHandshake(thrown);
    if (refusal.status === 500) needs.log.error({ err: refusal.cause, requestId }, "WebSocket failed");
    refuseHandshake(socket, refusalAnswer(refusal, "waldiez", requestId));
    return undefined;
  }
}

/** Lets the edge have its say about each answer. */
function guardedBy(
  conduct: WebSocketNeeds["conduct"],
  { request, requestId }: Asking,
  { caller, task }: Handshake,
): (promptId: string, work: () => Promise<void>) => Promise<void> {
  const act = {
    action: "WS /ws/:task_id",
    access: answering,
    caller,
    address: String(request.headers[callerAddressHeader] ?? request.socket.remoteAddress ?? ""),
    requestId,
    isLogin: false,
  };
  return async (promptId, work) => {
    if (conduct === undefined) await work();
    else await conduct.carryOut(act, work, () => [{ taskId: task.taskId, promptId }]);
  };
}

/** The socket of a request that is well-formed; another one is refused by `ws` itself. */
function accepted({ server, request, socket, head }: Asking): WebSocket | undefined {
  const peers: WebSocket[] = [];
  server.handleUpgrade(request, socket, head, (peer) => peers.push(peer));
  return peers[0];
}

function placeFor(quota: WatcherQuota, { caller, task: { taskId } }: Handshake): Disposable {
  const place = quota.take({ clientId: caller.clientId, taskId });
  if (place !== undefined) return place;
  throw new HttpRefusal(403, "too many WebSockets are open", { reason: "TOO_MANY_CALLS" });
}

/** The cursor of the entry before a place; the empty one when that entry is not known. */
function entryBefore(place: Place | undefined): string {
  return place === undefined || place.seq === 1 ? "" : `${place.attempt}-${place.seq - 1}`;
}

/** What the Waldiez runner wrote when it kept a flow's results, by which its clients know that a flow is done. */
function lastLineOf(fileName: string, taskId: string): string | undefined {
  if (!fileName.endsWith(".waldiez")) return undefined;
  return `Copying the results to ${taskId}/waldiez_out\n`;
}

/** E1: existing clients take 403 as the end. An outage is none. */
function refusalForHandshake(thrown: unknown): HttpRefusal {
  const refusal = refusalOf(thrown, "waldiez");
  const { status, message, reason } = refusal;
  if (status === 429 || status >= 499 || reason === "ROUTE_NOT_FOUND") return refusal;
  return new HttpRefusal(403, message, reason === undefined ? {} : { reason });
}
