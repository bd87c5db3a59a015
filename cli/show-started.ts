import { type Run, RunSchema } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type FormatOption, showJson } from "./output-format.ts";
import { readableJson } from "./readable-json.ts";
import type { Screen } from "./screen.ts";

/** Shows a run that was just started: its id alone, or the whole of it as JSON. */
export async function showStarted(
  screen: Screen,
  { output }: FormatOption,
  run: Run | undefined,
): Promise<void> {
  if (run === undefined) throw new TypeError("the server answered no run");
  if (output === "table" || output === "name") await screen.line(run.runId);
  else await showJson(screen, { output }, readableJson(RunSchema, run));
}
