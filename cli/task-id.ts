import { type Antiphon } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

const wholeId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\..+)?$/i;
const beginning = /^([0-9a-f][0-9a-f-]{3,34})(\..+)?$/i;

/** Among so many of the newest runs the beginning of an id is looked for. */
const lookedThrough = 1_000;

/**
 * The id that a user meant: a whole one, or the beginning of one, of at least
 * four characters, that fits one run of the newest 1,000 found; `.NODE` after it
 * names a node's task. Anything else is left for the server to refuse.
 */
export async function completeId(antiphon: Antiphon, typed: string): Promise<string> {
  const [, start = "", node = ""] = beginning.exec(typed) ?? [];
  if (start === "" || wholeId.test(typed)) return typed;
  const text = start.toLowerCase();
  const { runs } = await antiphon.scheduler.listRuns({
    pageSize: lookedThrough,
    text,
    includeChildren: true,
  });
  const fitting = runs.filter(({ runId }) => runId.startsWith(text));
  if (fitting.length > 1) {
    throw ambiguous(
      typed,
      fitting.map(({ runId }) => runId),
    );
  }
  return fitting[0] === undefined ? typed : fitting[0].runId + node;
}

/** The refusal of a name, or the beginning of an id, that fits many. */
export function ambiguous(typed: string, ids: readonly string[]): CommandFailure {
  return new CommandFailure(`${typed} fits ${ids.length} ids`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: ids.slice(0, 5).join(", "),
  });
}

/** Whether a text is a whole id of a run, workflow or schedule. */
export function isWholeId(text: string): boolean {
  return wholeId.test(text) && !text.includes(".");
}
