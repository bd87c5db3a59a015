import { type JsonValue, toJson } from "@bufbuild/protobuf";
import { type Command, createCommand } from "commander";
import { RunSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import { WatchRunResponse_RunChangeSchema } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { RunEvent } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { type ExitCode, exitCode } from "../exit-code.ts";
import { failureText, runExitCode } from "../outcome.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { readableJson } from "../readable-json.ts";
import { RunSession } from "../run-session.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord } from "../state-word.ts";
import { completeId } from "../task-id.ts";
import { watchedToEnd } from "../watched-runs.ts";

/** `antiphon runs watch`: shows runs until all have ended. */
export function runsWatchCommand(context: CommandContext): Command {
  const command = createCommand("watch")
    .description("show runs until all have ended, and ask what they ask; Ctrl-C leaves, and they go on")
    .argument("<run...>", "their ids, or the beginnings of them; at most 100")
    .action(async (ids: readonly string[], options: ServerOptions & FormatOption) => {
      using antiphon = await openServer(options);
      const runIds = [...new Set(await Promise.all(ids.map((id) => completeId(antiphon, id))))];
      const screen = context.screen();
      const isJson = options.output === "jsonl";
      const onEvent = async (event: RunEvent) => {
        const news = newsJson(event);
        if (news !== undefined) await screen.line(JSON.stringify(news));
      };
      using asker = context.person(screen);
      const session = new RunSession({
        antiphon,
        runIds,
        screen,
        asker,
        cancel: undefined,
        isShown: !isJson,
        ...(isJson && { onEvent }),
      });
      if (!(await watchedToEnd(session, { context, screen, runIds, url: antiphon.url }))) return;
      const codes: ExitCode[] = [];
      for (const { run } of runIds.flatMap((runId) => session.book.of(runId) ?? [])) {
        const why = run.failure === undefined ? "" : `: ${failureText(run.failure)}`;
        await screen.note(`run ${run.runId} ${runStateWord(run.state)}${why}`);
        codes.push(runExitCode(run.state, run.failure));
      }
      const bad = codes.filter((code) => code !== exitCode.ok);
      context.endWith(bad.find((code) => code === exitCode.failed) ?? bad[0] ?? exitCode.ok);
    });
  return withFormat(withServer(command), ["table", "jsonl"]);
}

/** What one piece of news is as a line of JSON. */
function newsJson(event: RunEvent): JsonValue | undefined {
  if (event.kind === "snapshot") return { runId: event.runId, snapshot: readableJson(RunSchema, event.run) };
  if (event.kind !== "change") return undefined;
  return { runId: event.runId, change: toJson(WatchRunResponse_RunChangeSchema, event.change) };
}
