import { create } from "@bufbuild/protobuf";
import {
  type ListTasksRequest,
  ListTasksRequestSchema,
  type TaskFilter as TaskFilterMessage,
  TaskFilterSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import type { TaskState } from "../core/task-state.ts";
import { sortedLabels } from "../sorted-labels.ts";
import { taskStateOf } from "../state-message.ts";
import type { TaskFilter, TaskKey, TaskOrder } from "../task-store.ts";
import { labelPairs, listName, searchText } from "./list-filter.ts";
import { labelForm } from "./validate.ts";

/** Which stand-alone tasks a request wants; what is wrong with that is added to the faults. */
export function taskFilter(filter: TaskFilterMessage | undefined, faults: FieldFault[]): TaskFilter {
  if (filter === undefined) return {};
  const states = filter.states.flatMap((state, index): TaskState[] => {
    const known = taskStateOf(state);
    if (known !== undefined) return [known];
    faults.push(invalid(`filter.states[${index}]`, "is not a state of a task"));
    return [];
  });
  return {
    states,
    text: searchText("filter.text", filter.text, faults),
    labels: labelPairs("filter.labels", filter.labels, faults),
    withoutScheduled: filter.withoutScheduled,
  };
}

const newestFirst: TaskOrder = { key: { by: "created_at" }, isDescending: true };

/** In which order a request wants stand-alone tasks. */
export function taskOrder(orderBy: string, faults: FieldFault[]): TaskOrder {
  if (orderBy === "") return newestFirst;
  const isDescending = orderBy.endsWith(" desc");
  const key = keyOf(isDescending ? orderBy.slice(0, -" desc".length) : orderBy);
  if (key !== undefined) return { key, isDescending };
  faults.push(invalid("order_by", "is none of created_at, task_id, name, state and labels.<name>"));
  return newestFirst;
}

function keyOf(name: string): TaskKey | undefined {
  const label = name.startsWith("labels.") ? name.slice("labels.".length) : "";
  if (labelForm.test(label)) return { by: "label", label };
  return (["created_at", "task_id", "name", "state"] as const)
    .filter((by) => by === name)
    .map((by) => ({ by }))[0];
}

/** The name of the list of stand-alone tasks that a request asks for. */
export function taskListName(request: ListTasksRequest): string {
  const { filter } = request;
  const sorted = filter && create(TaskFilterSchema, { ...filter, labels: sortedLabels(filter.labels) });
  const list = { ...request, ...(sorted && { filter: sorted }), pageSize: 0, pageToken: "", skip: 0 };
  return listName("tasks", ListTasksRequestSchema, list);
}

function invalid(path: string, message: string): FieldFault {
  return { path, reason: "FIELD_INVALID", message };
}
