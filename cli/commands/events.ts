import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type Command, createCommand } from "commander";
import { type DerivedChange, type RunEvent, RunEventSchema } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { CommandContext } from "../command-context.ts";
import { wholeNumber } from "../number-option.ts";
import { failureText } from "../outcome.ts";
import { type FormatOption, showJson, withFormat } from "../output-format.ts";
import { plainText } from "../plain-text.ts";
import { readableJson } from "../readable-json.ts";
import { RunEvents } from "../run-events.ts";
import type { Screen } from "../screen.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { runStateWord, stateWord } from "../state-word.ts";
import { padded } from "../table.ts";
import { completeId } from "../task-id.ts";

interface EventsOptions extends ServerOptions, FormatOption<"table" | "json" | "jsonl" | "yaml"> {
  readonly changes?: true;
  readonly follow?: true;
  readonly after?: number;
}

/** `antiphon events`: lists the facts of a run's history. */
export function eventsCommand(context: CommandContext): Command {
  const command = createCommand("events")
    .description("list the facts of a run's history, oldest first")
    .argument("<run>", "its id, or the beginning of it")
    .option("--changes", "with what followed from each")
    .option("-f, --follow", "go on until the run has ended")
    .option("--after <seq>", "only those after this number", wholeNumber(0, 2_147_483_647))
    .action(async (id: string, options: EventsOptions) => {
      using antiphon = await openServer(options);
      const runId = await completeId(antiphon, id);
      const events = new RunEvents(antiphon, {
        runId,
        withChanges: options.changes === true,
        afterSeq: options.after ?? 0,
      });
      const screen = context.screen();
      const { output } = options;
      const all: RunEvent[] = [];
      for await (const event of options.follow === true ? events.toEnd() : events.soFar()) {
        if (output === "table") await printEvent(screen, event);
        else if (output === "jsonl") await showJson(screen, options, readableJson(RunEventSchema, event));
        else all.push(event);
      }
      if (output !== "json" && output !== "yaml") return;
      await showJson(screen, options, { events: all.map((event) => readableJson(RunEventSchema, event)) });
    });
  return withFormat(withServer(command), ["table", "json", "jsonl", "yaml"]);
}

async function printEvent(screen: Screen, event: RunEvent): Promise<void> {
  const { seq, at, type, nodeId, attempt, details, changes } = event;
  const time = at === undefined ? "" : timestampDate(at).toISOString();
  const whom = nodeId === "" ? "" : attempt === 0 ? nodeId : `${nodeId} (attempt ${attempt})`;
  const told = Buffer.from(details).toString();
  const line = `${padded(String(seq), 5)} ${time}  ${padded(type, 18)}  ${padded(whom, 20)}  ${told === "{}" ? "" : told}`;
  await screen.line(plainText(line).trimEnd());
  for (const change of changes)
    await screen.line(screen.colors.dim(`      → ${plainText(changeText(change))}`));
}

function changeText({ taskId, taskState, attempt, runState, failure }: DerivedChange): string {
  const why = failure === undefined ? "" : `: ${failureText(failure)}`;
  if (taskId === "") return `run ${runStateWord(runState)}${why}`;
  const node = taskId.slice(37) || "main";
  return `${node} ${stateWord(taskState)}${attempt > 1 ? ` (attempt ${attempt})` : ""}${why}`;
}
