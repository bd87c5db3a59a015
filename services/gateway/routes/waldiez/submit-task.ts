import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ProgramSchema, Task } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { waldiezStatusNamed } from "../status-names.ts";
import { submissionLabels } from "./flow-id.ts";
import type { Finding, FoundTask } from "./found-task.ts";

/** A task to be carried out at once. */
export interface WantedTask {
  readonly program: MessageInitShape<typeof ProgramSchema>;
  /** No task of the client with the same one may be active. */
  readonly flowId: string;
  /** Empty when the caller gave none. */
  readonly idempotencyKey: string;
  /** How many tasks of the client may be active, this one included; 0 for any number. */
  readonly maxActive: number;
}

/** Submits a task. Throws HttpRefusal 400 when the client has too many active ones, or the same one. */
export async function submitTask(wanted: WantedTask, { clients, signal }: Finding): Promise<FoundTask> {
  const { program, flowId, idempotencyKey, maxActive } = wanted;
  const labels = submissionLabels(flowId, idempotencyKey);
  try {
    const { task } = await clients.scheduler.submitTask(
      { program, labels, maxActive, dedupeKey: flowId, requestId: idempotencyKey },
      { signal },
    );
    return found(task);
  } catch (thrown) {
    const { reason, metadata } = fromConnectError(thrown);
    switch (reason) {
      case "TASK_ACTIVE":
        throw new HttpRefusal(
          400,
          "A task with the same file already exists. " +
            `Task ID: ${metadata["task_id"]}, status: ${waldiezStatusNamed(metadata["state"] ?? "")}`,
          { reason },
        );
      case "TASK_LIMIT":
        throw new HttpRefusal(
          400,
          `Cannot create more than ${maxActive} tasks at the same time. Please wait for some tasks to finish`,
          { reason },
        );
      case "REQUEST_ID_REUSED":
        return await repeated(labels, { clients, signal }, thrown);
      default:
        throw thrown;
    }
  }
}

/** The task that came with this key before, if it was of the same file: its upload has another id each time. */
async function repeated(
  labels: Readonly<Record<string, string>>,
  { clients, signal }: Finding,
  refusal: unknown,
): Promise<FoundTask> {
  const { tasks } = await clients.scheduler.listTasks({ filter: { labels }, pageSize: 1 }, { signal });
  const [task] = tasks;
  if (task === undefined) throw refusal;
  return found((await clients.scheduler.getTask({ taskId: task.taskId }, { signal })).task);
}

function found(task: Task | undefined): FoundTask {
  if (task === undefined) throw new TypeError("a submission was answered without its task");
  return { kind: "plain", task };
}
