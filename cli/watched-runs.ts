import { isUnreachable } from "../sdk/typescript/antiphon.ts";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import type { Departure } from "./conversation.ts";
import { exitCode } from "./exit-code.ts";
import { unreachableText } from "./failure-report.ts";
import type { RunSession } from "./run-session.ts";
import type { Screen } from "./screen.ts";
import { tlsFailureOf } from "./tls-failure.ts";

/** Shows runs until all have ended (true) or the user leaves (false), telling how to come back and setting the exit code. */
export async function watchedToEnd(
  session: RunSession,
  {
    context,
    screen,
    runIds,
    url,
  }: {
    readonly context: CommandContext;
    readonly screen: Screen;
    readonly runIds: readonly string[];
    /** Of the server. */
    readonly url: string;
  },
): Promise<boolean> {
  const comeBack = `antiphon runs watch ${runIds.join(" ")}`;
  process.on("SIGINT", session.interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, session.leave);
  try {
    const departure = await session.run();
    if (departure === undefined) return true;
    await screen.note(goodbye(departure, comeBack));
    context.endWith(departure.kind === "detached" ? exitCode.ok : exitCode.interrupted);
    return false;
  } catch (cause) {
    if (!isUnreachable(cause)) throw cause;
    throw new CommandFailure(unreachableText(cause, url), {
      exitCode: exitCode.unreachable,
      reason: "SERVER_UNREACHABLE",
      hint:
        tlsFailureOf(cause)?.hint ??
        `what was accepted goes on; when the server is back, ${comeBack} shows it`,
      cause,
    });
  } finally {
    process.off("SIGINT", session.interrupt);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, session.leave);
  }
}

function goodbye(departure: Departure, comeBack: string): string {
  if (departure.kind === "interrupted" && departure.cancelled)
    return `asked to end; ${comeBack} tells whether it has`;
  return `it goes on; ${comeBack} comes back to it`;
}
