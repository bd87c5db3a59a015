import { TaskSchema } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Antiphon, isFinalTask, isUnreachable, type Task } from "../sdk/typescript/antiphon.ts";
import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { unreachableText } from "./failure-report.ts";
import { failureText, taskExitCode } from "./outcome.ts";
import type { FormatOption } from "./output-format.ts";
import { plainText } from "./plain-text.ts";
import { readableJson } from "./readable-json.ts";
import type { Screen } from "./screen.ts";
import { stateWord } from "./state-word.ts";
import { type SessionEnd, TaskSession } from "./task-session.ts";
import { ago, took } from "./times.ts";
import { tlsFailureOf } from "./tls-failure.ts";

/** A result is shown so far on one line; the whole of it by `get`. */
const longestResultLine = 200;

/**
 * Watches a task to its end, asks what it asks, tells how it ended, and sets the
 * exit code by it. With `-o json` standard output gets the task as one JSON
 * document and nothing else; what the program writes goes to standard error.
 */
export async function showTask({
  context,
  antiphon,
  task,
  after = "",
  output,
}: {
  readonly context: CommandContext;
  readonly antiphon: Antiphon;
  readonly task: Task;
  readonly after?: string;
} & FormatOption): Promise<void> {
  const screen = context.screen({ dataToStderr: output === "json" });
  using asker = context.asker(screen);
  const { runId, state: stateBefore } = await task.get();
  const session = new TaskSession({
    attach: (signal) => task.attach({ after, signal }),
    asker,
    screen,
    cancel: async () => void (await antiphon.scheduler.cancelRun({ runId })),
  });
  const end = await untilInterrupted(session).catch((error: unknown) =>
    refuseAway(error, { task, url: antiphon.url }),
  );
  if (end.kind === "ended") {
    const record = await task.get();
    const elapsed = took(record.createdAt, record.endedAt, new Date());
    const when = isFinalTask(stateBefore) ? ` ${ago(record.endedAt, new Date())},` : "";
    const why = end.failure === undefined ? "" : `: ${failureText(end.failure)}`;
    await screen.note(`${stateWord(end.state)}${when} after ${elapsed}${why}`);
    const result = Buffer.from(record.output).toString();
    if (output === "json") await context.screen().line(JSON.stringify(readableJson(TaskSchema, record)));
    else if (result !== "" && result !== "null") await screen.note(`result: ${shortened(plainText(result))}`);
    context.endWith(taskExitCode(end.state, end.failure));
    return;
  }
  await sayGoodbye(end, { context, screen, task });
}

/** A server that stays away does not end what it runs. */
function refuseAway(
  cause: unknown,
  { task: { id }, url }: { readonly task: Task; readonly url: string },
): never {
  if (!isUnreachable(cause)) throw cause;
  throw new CommandFailure(unreachableText(cause, url), {
    exitCode: exitCode.unreachable,
    reason: "SERVER_UNREACHABLE",
    hint:
      tlsFailureOf(cause)?.hint ??
      `the task is not lost; when the server is back, antiphon attach ${id} comes back to it`,
    cause,
  });
}

async function untilInterrupted(session: TaskSession): Promise<SessionEnd> {
  process.on("SIGINT", session.interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, session.leave);
  try {
    return await session.run();
  } finally {
    process.off("SIGINT", session.interrupt);
    for (const signal of ["SIGTERM", "SIGHUP"] as const) process.off(signal, session.leave);
  }
}

async function sayGoodbye(
  end: Exclude<SessionEnd, { readonly kind: "ended" }>,
  {
    context,
    screen,
    task,
  }: { readonly context: CommandContext; readonly screen: Screen; readonly task: Task },
): Promise<void> {
  if (end.kind === "unanswered") {
    throw new CommandFailure(
      `the task asks ${JSON.stringify(plainText(end.text))} and standard input has no answer`,
      {
        exitCode: exitCode.failed,
        reason: "NO_ANSWER",
        hint: `it goes on waiting: antiphon attach ${task.id} answers, antiphon cancel ${task.id} ends it`,
      },
    );
  }
  if (end.kind === "detached") {
    await screen.note(`the task goes on; antiphon attach ${task.id} comes back to it`);
    context.endWith(exitCode.ok);
    return;
  }
  await screen.note(
    end.cancelled
      ? `the task is asked to end; antiphon get ${task.id} tells whether it has`
      : `interrupted; the task goes on, and antiphon attach ${task.id} comes back to it`,
  );
  context.endWith(exitCode.interrupted);
}

function shortened(text: string): string {
  return text.length > longestResultLine ? `${text.slice(0, longestResultLine)}…` : text;
}
