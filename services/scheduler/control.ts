import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Control, ControlSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import { taskIdOf } from "../../lib/ids/task-id.ts";
import type { RunEvent } from "./core/event.ts";
import { isHeldByWorker, type Run, type Task, taskOf } from "./core/run.ts";

/** What to tell a worker about one attempt. */
export interface Order {
  readonly workerId: string;
  readonly control: Control;
}

type OrderCase = MessageInitShape<typeof ControlSchema>["order"];

/** An order about an attempt; `epoch` is that of the owner's claim. */
export function orderOf(
  { runId, nodeId, attempt, epoch }: { runId: string; nodeId: string; attempt: number; epoch: number },
  order: OrderCase,
): Control {
  return create(ControlSchema, {
    partition: partitionOf(runId),
    epoch: BigInt(epoch),
    taskId: taskIdOf(runId, nodeId),
    attempt,
    ...(order !== undefined && { order }),
  });
}

/** What a committed event has to tell the worker that it is about. `run` is as it is after the event. */
export function ordersAfter(run: Run, event: RunEvent, epoch: number): Order[] {
  if (event.type === "cancel_requested") {
    return run.tasks.flatMap((task) => {
      if (!isHeldByWorker(task)) return [];
      return [order(run, task, epoch, { case: "cancelRequested", value: {} })];
    });
  }
  if (!("nodeId" in event)) return [];
  const task = taskOf(run, event.nodeId);
  if (task === undefined) return [];
  const about = { runId: run.runId, nodeId: event.nodeId, attempt: event.attempt, epoch };
  if (event.type === "child_ended" || (event.type === "timer_fired" && event.workerId === undefined))
    return [];
  if (event.type === "lease_lapsed" || event.type === "timer_fired") {
    const lost = orderOf(about, { case: "leaseLost", value: {} });
    return [{ workerId: event.workerId ?? "", control: lost }];
  }
  // That of the event where it has one: the next attempt may have begun already.
  const workerId = "lease" in event ? event.lease.workerId : task.lease?.workerId;
  if (workerId === undefined) return [];
  const orders: OrderCase[] = [];
  if (event.type === "task_leased")
    orders.push({ case: "granted", value: { leaseToken: event.lease.token } });
  if (event.report !== undefined && event.report > 0) {
    orders.push({ case: "confirmed", value: { upTo: event.report } });
  }
  if (event.type === "prompt_answered" && event.answer !== undefined) {
    const { promptId, answeredBy, requestId, answer } = event;
    const given = { case: "text", value: answer } as const;
    orders.push({ case: "answered", value: { promptId, answeredBy, requestId, answer: given } });
  }
  return orders.map((value) => ({ workerId, control: orderOf(about, value) }));
}

function order(run: Run, task: Task, epoch: number, value: OrderCase): Order {
  const about = { runId: run.runId, nodeId: task.name, attempt: task.attempt, epoch };
  return { workerId: task.lease?.workerId ?? "", control: orderOf(about, value) };
}
