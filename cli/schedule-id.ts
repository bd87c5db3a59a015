import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { ambiguous, isWholeId } from "./task-id.ts";

/** The id of a schedule that a user meant: an id, the name of just one, or the beginning of an id. Throws CommandFailure when none or many are meant. */
export async function completeScheduleId(antiphon: Antiphon, typed: string): Promise<string> {
  if (isWholeId(typed)) return typed;
  const schedules: { readonly scheduleId: string; readonly name: string }[] = [];
  for (let pageToken = ""; ; ) {
    const page = await antiphon.scheduler.listSchedules({ pageSize: 1_000, pageToken });
    schedules.push(...page.schedules);
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  const named = schedules.filter(({ name }) => name === typed);
  const begun = schedules.filter(({ scheduleId }) => scheduleId.startsWith(typed.toLowerCase()));
  const meant = named.length > 0 ? named : typed.length < 4 ? [] : begun;
  const [first] = meant;
  if (first === undefined) {
    throw new CommandFailure(`there is no schedule ${typed}`, {
      exitCode: exitCode.notFound,
      reason: "SCHEDULE_NOT_FOUND",
      hint: "antiphon schedule list",
    });
  }
  if (meant.length === 1) return first.scheduleId;
  throw ambiguous(
    typed,
    meant.map(({ scheduleId }) => scheduleId),
  );
}
