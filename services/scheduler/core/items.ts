/*
 * The items of a `for_each` node: each has a task of its own, and the node's own
 * task runs while they do.
 *
 *   I1. At most `maxParallel` items have begun and not ended.
 *   I2. After an item that failed no further one begins, unless the node's failure
 *       is to be borne; those that have begun go on to their ends.
 *   I3. The node ends when all its items have; its output is theirs, in order.
 */
import { isJsonObject, type Json } from "./json.ts";
import { newTask } from "./new-task.ts";
import { scopeOf } from "./node-config.ts";
import type { PlannedNode } from "./plan.ts";
import { maxTasks, type Task } from "./run.ts";
import type { Step } from "./step.ts";
import { isFinalTask } from "./task-state.ts";
import { resolve } from "./template.ts";

/** How many items a `for_each` node may have. */
export const maxItems = 10_000;

/** Begins a `for_each` node: makes the tasks of its items, and begins as many as may be carried out at once. */
export function openItems(
  step: Step,
  group: Task,
  { items, maxParallel }: NonNullable<PlannedNode["forEach"]>,
): void {
  const list = resolve(items, scopeOf(step.run, group));
  if ("fault" in list) {
    step.fail(group, { reason: "TEMPLATE_FAILED", message: list.fault });
    return;
  }
  if (!isList(list.value)) {
    step.fail(group, { reason: "TEMPLATE_FAILED", message: "the items are no list" });
    return;
  }
  if (list.value.length > maxItems) {
    const message = `there are ${list.value.length} items, more than ${maxItems}`;
    step.fail(group, { reason: "ITEM_LIMIT", message });
    return;
  }
  const count = step.run.tasks.length + list.value.length;
  if (count > maxTasks) {
    const message = `the run would have ${count} tasks with these items, more than ${maxTasks}`;
    step.fail(group, { reason: "ITEM_LIMIT", message });
    return;
  }
  step.beginAttempt(group);
  group.startedAt = step.at;
  step.enter(group, "running");
  const tasks = list.value.map((value, index) => {
    return newTask({
      name: `${group.name}.${index}`,
      node: group.node,
      waitsFor: 0,
      item: { index, value },
    });
  });
  group.items = { tasks, next: 0, ended: 0, isFailing: false };
  step.run.tasks.push(...tasks);
  step.run.unfinished += tasks.length;
  const first = Math.min(tasks.length, maxParallel);
  for (let begun = 0; begun < first; begun += 1) openNextItem(step, group);
  if (tasks.length === 0) step.complete(group, []);
}

function openNextItem(step: Step, group: Task): void {
  const next = group.items?.tasks[group.items.next];
  if (group.items === undefined || next === undefined) return;
  group.items.next += 1;
  if (next.state === "pending") step.open(next);
}

/** Counts an item that ended; begins the next one, or ends its node. */
export function settleItem(step: Step, item: Task): void {
  const group = step.run.tasks[item.node];
  if (group?.items === undefined) throw new Error(`run ${step.run.runId}: ${item.name} has no list`);
  const { items } = group;
  items.ended += 1;
  step.changed.add(group);
  if (item.state === "failed" && !items.isFailing && step.nodeOf(group).onFailure !== "continue") {
    items.isFailing = true;
    const message = `item ${item.item?.index} failed`;
    for (const other of items.tasks) {
      if (other.state !== "pending" || other.attempt > 0) continue;
      step.skip(other, { reason: "ITEM_FAILED", message, nodeId: item.name });
    }
  }
  openNextItem(step, group);
  if (items.ended < items.tasks.length || isFinalTask(group.state)) return;
  endItems(step, group, items.tasks);
}

function endItems(step: Step, group: Task, items: readonly Task[]): void {
  if (items.some(({ state }) => state === "cancelled")) {
    step.enter(group, "cancelled");
    return;
  }
  const failed = items.find(({ state }) => state === "failed");
  if (failed === undefined || step.nodeOf(group).onFailure === "continue") {
    group.output = items.map(({ output = null }) => output);
  }
  if (failed?.failure === undefined) {
    step.enter(group, "completed");
    return;
  }
  group.failure = failed.failure;
  step.enter(group, "failed");
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value) && !isJsonObject(value);
}
