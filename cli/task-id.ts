import { type Antiphon } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

const wholeId = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\..+)?$/i;
const beginning = /^([0-9a-f][0-9a-f-]{3,34})(\..+)?$/i;

/** Among so many of the newest runs the beginning of an id is looked for. */
const lookedThrough = 1_000;

/**
 * The id that a user meant: a whole one, or the beginning of one, of at least
 * four characters, that fits one run of the newest 1,000; `.NODE` after it names
 * a node's task. Anything else is left for the server to refuse.
 */
export async function completeId(antiphon: Antiphon, typed: string): Promise<string> {
  const [, start, node = ""] = beginning.exec(typed) ?? [];
  if (start === undefined || wholeId.test(typed)) return typed;
  const { runs } = await antiphon.scheduler.listRuns({ pageSize: lookedThrough });
  const fitting = runs.filter(({ runId }) => runId.startsWith(start.toLowerCase()));
  if (fitting.length > 1) {
    throw new CommandFailure(`${typed} is the beginning of ${fitting.length} ids`, {
      exitCode: exitCode.usage,
      reason: "USAGE",
      hint: fitting
        .slice(0, 5)
        .map(({ runId }) => runId)
        .join(", "),
    });
  }
  return fitting[0] === undefined ? typed : fitting[0].runId + node;
}
