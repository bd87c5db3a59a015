import { create } from "@bufbuild/protobuf";
import { type Command, createCommand } from "commander";
import { RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { GetRunResultsResponseSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DagSchema } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { inputOption } from "../input-option.ts";
import { failureText, runExitCode } from "../outcome.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { RunView } from "../run-view.ts";
import type { Screen } from "../screen.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";
import { readWorkflowFile } from "../workflow-file.ts";

interface WorkflowRunOptions extends ServerOptions, FormatOption {
  readonly input?: () => Promise<unknown>;
  readonly detach?: true;
}

/** `antiphon workflow run`: stores a definition, starts a run and shows it to its end. */
export function workflowRunCommand(context: CommandContext): Command {
  const command = createCommand("run")
    .description("start a run of a workflow and show each node's state as it changes")
    .argument("<file>", "a JSON or YAML file with a name and a dag")
    .addOption(inputOption("what templates find as input"))
    .option("-d, --detach", "start only, and print the run's id")
    .action(async (file: string, options: WorkflowRunOptions) => {
      const definition = await readWorkflowFile(file);
      const input = await options.input?.();
      using antiphon = await openServer(options);
      const { workflow } = await antiphon.scheduler.createWorkflow(definition);
      const { run } = await antiphon.scheduler.startRun({
        workflowId: workflow?.workflowId ?? "",
        ...(input !== undefined && { input: Buffer.from(JSON.stringify(input)) }),
      });
      if (run === undefined) throw new TypeError("the server answered no run");
      if (options.detach !== undefined) return context.screen().line(run.runId);
      const screen = context.screen({ dataToStderr: options.output === "json" });
      await screen.note(`run ${run.runId}`);
      await using view = new RunView(screen, definition.dag ?? create(DagSchema));
      const isToEnd = await followed({ antiphon, runId: run.runId, view, screen });
      if (isToEnd)
        await tellEnd({ context, antiphon, runId: run.runId, view, json: options.output === "json" });
      else context.endWith(exitCode.interrupted);
    });
  return withFormat(withServer(command));
}

/** Shows a run until it ends (true) or the user leaves (false): the first Ctrl-C asks for its end, the second leaves without waiting. */
async function followed({
  antiphon,
  runId,
  view,
  screen,
}: {
  readonly antiphon: Antiphon;
  readonly runId: string;
  readonly view: RunView;
  readonly screen: Screen;
}): Promise<boolean> {
  const left = new AbortController();
  let isCancelling = false;
  const leave = () => left.abort();
  const interrupt = () => {
    if (isCancelling || !screen.isTerminal) return leave();
    isCancelling = true;
    void view.note("cancelling; Ctrl-C again leaves without waiting");
    antiphon.scheduler.cancelRun({ runId }).catch(leave);
  };
  process.on("SIGINT", interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, leave);
  try {
    for await (const event of antiphon.watchRun(runId, { signal: left.signal })) await view.on(event);
    return true;
  } catch (error) {
    if (!left.signal.aborted) throw error;
    await view.note(`the run goes on; antiphon get ${runId} tells how it stands`);
    return false;
  } finally {
    process.off("SIGINT", interrupt);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, leave);
  }
}

async function tellEnd({
  context,
  antiphon,
  runId,
  view,
  json,
}: {
  readonly context: CommandContext;
  readonly antiphon: Antiphon;
  readonly runId: string;
  readonly view: RunView;
  readonly json: boolean;
}): Promise<void> {
  const { state, failure } = view;
  const why = failure === undefined ? "" : `: ${failureText(failure)}`;
  await view.note(`run ${runId} ${runStateWord(state)}${why}`);
  if (json) {
    const [{ run }, results] = await Promise.all([
      antiphon.scheduler.getRun({ runId }),
      antiphon.scheduler.getRunResults({ runId }),
    ]);
    if (run === undefined)
      throw new CommandFailure(`run ${runId} is gone`, {
        exitCode: exitCode.notFound,
        reason: "RUN_NOT_FOUND",
      });
    const document = {
      run: readableJson(RunSchema, run),
      results: (readableJson(GetRunResultsResponseSchema, results) as { readonly results?: unknown }).results,
    };
    await context.screen().line(JSON.stringify(document));
  }
  context.endWith(runExitCode(state, failure));
}
