import { type Command, createCommand } from "commander";
import { type Run, RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { failureText } from "../outcome.ts";
import { type FormatOption, show, withFormat } from "../output-format.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord, stateWord } from "../state-word.ts";
import { completeId } from "../task-id.ts";
import { took } from "../times.ts";

/** `antiphon get`: shows one task or run as it stands. */
export function getCommand(context: CommandContext): Command {
  const command = createCommand("get")
    .description("show a task or a run as it stands")
    .argument("<id>", "its id, or the beginning of it; RUN.NODE for one node's task")
    .action(async (id: string, options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const found = await find(antiphon, await completeId(antiphon, id));
      const shown =
        found.kind === "task"
          ? {
              schema: TaskSchema,
              message: found.task,
              headings: ["TASK", found.task.taskId],
              rows: taskRows(found.task),
            }
          : {
              schema: RunSchema,
              message: found.run,
              headings: ["RUN", found.run.runId],
              rows: runRows(found.run),
            };
      await show(
        context.screen(),
        options,
        shown as typeof shown & { schema: typeof TaskSchema; message: Task },
      );
    });
  return withFormat(withServer(command));
}

type Found = { readonly kind: "task"; readonly task: Task } | { readonly kind: "run"; readonly run: Run };

/** A stand-alone task is a run with its own id; it is shown as a task. */
async function find(antiphon: Antiphon, id: string): Promise<Found> {
  if (!id.includes(".")) {
    const { run } = await antiphon.scheduler.getRun({ runId: id });
    if (run !== undefined && run.workflowId !== "") return { kind: "run", run };
  }
  return { kind: "task", task: await antiphon.task(id).get() };
}

function taskRows(task: Task): string[][] {
  const now = new Date();
  return [
    ["name", task.name],
    ["state", stateWord(task.state) + (task.cancelRequested ? " (asked to end)" : "")],
    ["attempt", String(task.attempt)],
    ["worker", task.workerId],
    ["took", took(task.startedAt, task.endedAt, now)],
    ...(task.failure === undefined ? [] : [["failure", failureText(task.failure)]]),
    ...task.openPrompts.map(({ text, password }) => ["asks", password ? `${text} (secret)` : text]),
    ...task.artifacts.map(({ path, size }) => ["file", `${path} (${size} bytes)`]),
    ...(task.output.length === 0 ? [] : [["result", Buffer.from(task.output).toString()]]),
  ];
}

function runRows(run: Run): string[][] {
  const now = new Date();
  return [
    ["name", run.name],
    ["state", runStateWord(run.state) + (run.cancelRequested ? " (asked to end)" : "")],
    ["took", took(run.createdAt, run.endedAt, now)],
    ...(run.failure === undefined ? [] : [["failure", failureText(run.failure)]]),
    ...run.tasks.map(({ nodeId, state, failure }) => [
      `node ${nodeId}`,
      failure === undefined ? stateWord(state) : `${stateWord(state)}: ${failureText(failure)}`,
    ]),
  ];
}
