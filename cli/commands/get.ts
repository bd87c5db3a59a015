import type { JsonObject } from "@bufbuild/protobuf";
import { type Command, createCommand } from "commander";
import { type Run, RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Task, TaskSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { failureText } from "../outcome.ts";
import { type FormatOption, show, showJson, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { runResults } from "../run-results.ts";
import { askedText, runRows } from "../run-rows.ts";
import type { Screen } from "../screen.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { stateWord } from "../state-word.ts";
import { completeId } from "../task-id.ts";
import { durationText, took } from "../times.ts";

/** `antiphon get`: shows one task or run as it stands. */
export function getCommand(context: CommandContext): Command {
  const command = createCommand("get")
    .description("show a task or a run as it stands")
    .argument("<id>", "its id, or the beginning of it; RUN.NODE for one node's task")
    .action(async (typed: string, options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const id = await completeId(antiphon, typed);
      const run = id.includes(".") ? undefined : (await antiphon.scheduler.getRun({ runId: id })).run;
      const screen = context.screen();
      // A stand-alone task is a run with its own id; it is shown as a task.
      if (run === undefined || run.workflowId === "") {
        const task = await antiphon.task(id).get();
        const headings = ["TASK", task.taskId];
        const rows = taskRows(task);
        await show(screen, options, {
          schema: TaskSchema,
          message: task,
          names: [task.taskId],
          headings,
          rows,
        });
      } else await showRun(antiphon, run, { screen, options });
    });
  return withFormat(withServer(command));
}

async function showRun(
  antiphon: Antiphon,
  run: Run,
  { screen, options }: { readonly screen: Screen; readonly options: FormatOption },
): Promise<void> {
  if (options.output === "table" || options.output === "name") {
    const shown = { schema: RunSchema, message: run, names: [run.runId], headings: ["RUN", run.runId] };
    return show(screen, options, { ...shown, rows: runRows(run, new Date()) });
  }
  const json = readableJson(RunSchema, run) as JsonObject;
  // A run's tasks come without what they gave. Where that is too large together, it is left out.
  const results = await runResults(antiphon, run.runId).catch((): JsonObject => ({}));
  const tasks = run.tasks.map((task) => {
    const output = results[task.nodeId];
    return { ...(readableJson(TaskSchema, task) as JsonObject), ...(output !== undefined && { output }) };
  });
  await showJson(screen, options, { ...json, tasks });
}

function taskRows(task: Task): string[][] {
  const { startedAt, endedAt, failure, lastFailure, failedAttempts, wait, childRunId, items } = task;
  const { labels, scheduleId, promptTimeout } = task;
  return [
    ["name", task.name],
    ["state", stateWord(task.state) + (task.cancelRequested ? " (asked to end)" : "")],
    ...(wait === undefined ? [] : [["waits", wait.message]]),
    ["attempt", failedAttempts === 0 ? String(task.attempt) : `${task.attempt} (${failedAttempts} failed)`],
    ["worker", task.workerId],
    ["took", took(startedAt, endedAt, new Date())],
    ...(failure === undefined ? [] : [["failure", failureText(failure)]]),
    ...(failure !== undefined || lastFailure === undefined
      ? []
      : [["last failure", failureText(lastFailure)]]),
    ...Object.entries(labels).map(([key, value]) => ["label", `${key}=${value}`]),
    ...(scheduleId === "" ? [] : [["schedule", scheduleId]]),
    ...(promptTimeout === undefined ? [] : [["questions wait", durationText(promptTimeout)]]),
    ...(items === undefined ? [] : [["items", `${items.ended} of ${items.total} ended`]]),
    ...(childRunId === "" ? [] : [["run", childRunId]]),
    ...task.openPrompts.map((prompt) => ["asks", askedText(prompt)]),
    ...task.artifacts.map(({ path, size }) => ["file", `${path} (${size} bytes)`]),
    ...(task.output.length === 0 ? [] : [["result", Buffer.from(task.output).toString()]]),
  ];
}
