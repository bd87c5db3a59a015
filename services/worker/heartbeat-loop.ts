/*
 * Tells the scheduler what this worker offers and holds, and learns what it does
 * not know.
 *
 *   B1. A heartbeat names every attempt that is held. What its answer brings
 *       makes up for any order that was lost.
 *   B2. A lease counts from when the heartbeat that renewed it was sent, by the
 *       monotonic clock.
 *   B3. The first answer registers the worker; it may take work only then.
 *   B4. A worker that is superseded ends.
 */
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { HeartbeatResponse } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { delay } from "../../lib/async/delay.ts";
import type { Logger } from "../../lib/log/log.ts";
import type { Attempt } from "./attempt.ts";
import type { ControlGate, Findable } from "./control-gate.ts";
import type { LeaseTerms } from "./lease-terms.ts";
import type { SchedulerCalls } from "./scheduler-calls.ts";

/** Until the scheduler has said otherwise, and after an outage. */
const defaultIntervalMs = 3_000;
const retryMs = 1_000;

/** A heartbeat without an answer is sent anew, to any replica. */
const timeoutMs = 5_000;

export interface HeartbeatLoop {
  readonly scheduler: Pick<SchedulerCalls, "heartbeat">;
  readonly workerId: string;
  readonly incarnation: string;
  readonly handlers: readonly string[];
  readonly queues: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
  /** How many of them are for programs. */
  readonly programSlots: number;
  /** As in the contract's Worker. */
  readonly sandbox: string;
  readonly held: Iterable<Attempt> & Findable;
  readonly gate: Pick<ControlGate, "apply">;
  readonly lease: LeaseTerms;
  /** Told at each answer. */
  readonly heard: () => void;
  readonly log: Logger;
}

/** Ends as `superseded`, or when `signal` aborts. */
export async function heartbeatLoop(
  loop: HeartbeatLoop,
  signal: AbortSignal,
): Promise<"stopped" | "superseded"> {
  let registering = true;
  let failures = 0;
  while (!signal.aborted) {
    const sentAtMs = performance.now();
    try {
      const heard = await loop.scheduler.heartbeat(
        request(loop, registering),
        AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      );
      if (heard.kind === "superseded") return "superseded";
      const intervalMs = apply(heard.answer, sentAtMs, loop);
      registering = false;
      failures = 0;
      loop.heard();
      await delay(Math.max(0, intervalMs - (performance.now() - sentAtMs)), signal);
    } catch (error) {
      if (signal.aborted) return "stopped";
      failures += 1;
      if (failures === 2) loop.log.warn({ err: error }, "heartbeat not answered");
      if (failures > 2) loop.log.error({ err: error }, "heartbeat not answered");
      await delay(retryMs, signal);
    }
  }
  return "stopped";
}

function request(
  { workerId, incarnation, handlers, queues, labels, slots, programSlots, sandbox, held }: HeartbeatLoop,
  registering: boolean,
): Parameters<SchedulerCalls["heartbeat"]>[0] {
  const attempts = Array.from(held, (attempt) => attempt.held).filter((each) => each !== undefined);
  return {
    workerId,
    incarnation,
    registering,
    handlers: [...handlers],
    queues: [...queues],
    labels,
    slots,
    programSlots,
    sandbox,
    attempts,
  };
}

/** Answers after how long the next heartbeat is expected. */
function apply(answer: HeartbeatResponse, sentAtMs: number, { gate, held, lease }: HeartbeatLoop): number {
  if (answer.lease !== undefined) lease.leaseMs = durationMs(answer.lease);
  for (const control of answer.controls) gate.apply(control);
  for (const renewed of answer.renewed) held.find(renewed)?.renew(sentAtMs);
  return answer.interval === undefined ? defaultIntervalMs : durationMs(answer.interval);
}
