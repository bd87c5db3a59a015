import { type Command, createCommand } from "commander";
import { type Run, RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { inputOption } from "../input-option.ts";
import { labelOption } from "../label-option.ts";
import { wholeNumber } from "../number-option.ts";
import { failureText, runExitCode } from "../outcome.ts";
import { type FormatOption, showJson, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { runResults } from "../run-results.ts";
import { RunSession } from "../run-session.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { showStarted } from "../show-started.ts";
import { runStateWord } from "../state-word.ts";
import { watchedToEnd } from "../watched-runs.ts";
import { withPlaces } from "../workflow-faults.ts";
import { startedBy, type WorkflowReference, workflowReference } from "../workflow-reference.ts";

interface WorkflowRunOptions extends ServerOptions, FormatOption, RequestIdOption {
  readonly input?: () => Promise<unknown>;
  readonly detach?: true;
  readonly hold?: true;
  readonly priority?: number;
  readonly label: Readonly<Record<string, string>>;
}

/** `antiphon workflow run`: starts a run and shows it to its end. */
export function workflowRunCommand(context: CommandContext): Command {
  const command = createCommand("run")
    .description("start a run of a workflow and show each node's state as it changes")
    .argument("<workflow>", "a JSON or YAML file, or the name or id of a stored one; - is standard input")
    .addOption(inputOption("what templates find as input"))
    .option("-d, --detach", "start only, and print the run's id")
    .option("--hold", "start it so that it waits for antiphon resume; implies --detach")
    .option("--priority <number>", "which of your tasks go first, from -100 to 100", wholeNumber(-100, 100))
    .addOption(labelOption("what the run can be found by"))
    .addOption(requestIdOption())
    .action(async (typed: string, options: WorkflowRunOptions) => {
      const reference = await workflowReference(typed);
      using antiphon = await openServer(options);
      const run = await started(antiphon, reference, options);
      if (options.detach === true || options.hold === true)
        return await showStarted(context.screen(), options, run);
      const { output } = options;
      const screen = context.screen({ dataToStderr: output !== "table" });
      await screen.note(`run ${run.runId}`);
      using asker = context.person(screen);
      const session = new RunSession({
        antiphon,
        runIds: [run.runId],
        screen,
        asker,
        cancel: async () => void (await antiphon.scheduler.cancelRun({ runId: run.runId })),
        isShown: true,
      });
      if (await watchedToEnd(session, { context, screen, runIds: [run.runId], url: antiphon.url })) {
        const { state, failure } = session.book.of(run.runId)?.run ?? run;
        const why = failure === undefined ? "" : `: ${failureText(failure)}`;
        await screen.note(`run ${run.runId} ${runStateWord(state)}${why}`);
        if (output !== "table") await tellWhole(context, antiphon, { run, output });
        context.endWith(runExitCode(state, failure));
      }
    });
  return withFormat(withServer(command), ["table", "json", "yaml"]);
}

async function started(
  antiphon: Antiphon,
  reference: WorkflowReference,
  { input, hold, priority, label, requestId }: WorkflowRunOptions,
): Promise<Run> {
  const value = await input?.();
  const request = {
    ...startedBy(reference),
    ...(value !== undefined && { input: Buffer.from(JSON.stringify(value)) }),
    hold: hold === true,
    priority: priority ?? 0,
    labels: { ...label },
    requestId: requestId ?? "",
  };
  const start = () => antiphon.scheduler.startRun(request);
  const { run } = reference.kind === "file" ? await withPlaces(reference.file.placed, start) : await start();
  if (run === undefined) throw new TypeError("the server answered no run");
  return run;
}

/** The run as it ended with what its nodes gave, as one document on standard output. */
async function tellWhole(
  context: CommandContext,
  antiphon: Antiphon,
  { run: { runId }, output }: { readonly run: Run } & FormatOption,
): Promise<void> {
  const run = await antiphon.run(runId).get();
  const results = await runResults(antiphon, runId);
  await showJson(context.screen(), { output }, { run: readableJson(RunSchema, run), results });
}
