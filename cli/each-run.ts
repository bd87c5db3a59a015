import { create } from "@bufbuild/protobuf";
import type { Run } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { ListRunsResponseSchema } from "../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { reportLines, reportOf } from "./failure-report.ts";
import { type FormatOption, showJson } from "./output-format.ts";
import { readableJson } from "./readable-json.ts";
import type { Screen } from "./screen.ts";
import { openServer, type ServerOptions } from "./server-options.ts";
import { completeId } from "./task-id.ts";

/** Does something to each of many runs, tells what became of each, and goes on after one that can not be; the last failure decides the exit code. */
export async function eachRun(
  context: CommandContext,
  {
    ids,
    options,
    act,
    said,
  }: {
    /** As typed. */
    readonly ids: readonly string[];
    readonly options: ServerOptions & FormatOption;
    readonly act: (antiphon: Antiphon, runId: string) => Promise<{ readonly run?: Run | undefined }>;
    /** What became of a run: `is paused`. */
    readonly said: (run: Run) => string;
  },
): Promise<void> {
  using antiphon = await openServer(options);
  const screen = context.screen();
  const runs: Run[] = [];
  await eachId({ ids, screen, context }, async (id) => {
    const { run } = await act(antiphon, await completeId(antiphon, wholeRun(id)));
    if (run === undefined) return;
    runs.push(run);
    if (options.output === "table") await screen.line(`${run.runId} ${said(run)}`);
    if (options.output === "name") await screen.line(run.runId);
  });
  if (options.output === "table" || options.output === "name") return;
  const answer = create(ListRunsResponseSchema, { runs });
  await showJson(screen, options, readableJson(ListRunsResponseSchema, answer), "runs");
}

/** Does something for each id and goes on after one that fails; a single one throws as it is. */
export async function eachId(
  {
    ids,
    screen,
    context,
  }: { readonly ids: readonly string[]; readonly screen: Screen; readonly context: CommandContext },
  act: (id: string) => Promise<void>,
): Promise<void> {
  for (const id of ids) {
    try {
      await act(id);
    } catch (error) {
      if (ids.length === 1) throw error;
      const report = reportOf(error);
      for (const line of reportLines(report)) await screen.err(`${line}\n`);
      context.endWith(report.exitCode);
    }
  }
}

/** Refuses the id of one node of a run, which is steered as a whole. */
function wholeRun(id: string): string {
  const [run, node] = id.split(".", 2);
  if (node === undefined) return id;
  throw new CommandFailure(`${id} is one node of a run, which goes as a whole`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: `name the run: ${run}`,
  });
}
