import { type Command, createCommand } from "commander";
import type { Prompt } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import type { Antiphon } from "../../sdk/typescript/antiphon.ts";
import type { CommandContext } from "../command-context.ts";
import { CommandFailure } from "../command-failure.ts";
import { exitCode } from "../exit-code.ts";
import { plainText } from "../plain-text.ts";
import { questionText } from "../question-text.ts";
import { type RequestIdOption, requestIdOption } from "../request-id-option.ts";
import { openServer, type ServerOptions, withServer } from "../server-options.ts";
import { completeId } from "../task-id.ts";

interface OpenPrompt {
  readonly taskId: string;
  readonly prompt: Prompt;
}

/** `antiphon answer`: answers a question of a task, or of any task of a run. */
export function answerCommand(context: CommandContext): Command {
  const command = createCommand("answer")
    .description("answer an open question of a task, or of whichever task of a run has one")
    .argument("<task>", "the task's or run's id, or the beginning of it; RUN.NODE for a node")
    .argument("[words...]", "[PROMPT] TEXT; without a text it is asked for, or read from standard input")
    .addOption(requestIdOption())
    .action(async (id: string, words: readonly string[], options: ServerOptions & RequestIdOption) => {
      if (words.length > 2) throw usage("at most the prompt's id and the answer may be given");
      using antiphon = await openServer(options);
      const open = await openPrompts(antiphon, await completeId(antiphon, id));
      const [promptId, given] = words.length === 2 ? words : [undefined, words[0]];
      const { taskId, prompt } = meant(open, { id, promptId });
      const text = given ?? (await asked(context, prompt));
      if (text === undefined) return context.endWith(exitCode.interrupted);
      const requestId = options.requestId ?? "";
      await antiphon.taskio.sendInput({ taskId, promptId: prompt.promptId, text, requestId });
      await context.screen().note(`${taskId} has the answer`);
    });
  return withServer(command);
}

async function openPrompts(antiphon: Antiphon, id: string): Promise<OpenPrompt[]> {
  const tasks = id.includes(".")
    ? [await antiphon.task(id).get()]
    : ((await antiphon.scheduler.getRun({ runId: id })).run?.tasks ?? []);
  return tasks.flatMap(({ taskId, openPrompts }) => openPrompts.map((prompt) => ({ taskId, prompt })));
}

function meant(
  open: readonly OpenPrompt[],
  { id, promptId }: { readonly id: string; readonly promptId: string | undefined },
): OpenPrompt {
  const fitting =
    promptId === undefined ? open : open.filter(({ prompt }) => prompt.promptId.startsWith(promptId));
  const [first] = fitting;
  if (first !== undefined && fitting.length === 1) return first;
  if (first === undefined) {
    const what = promptId === undefined ? `${id} asks nothing` : `${id} has no open question ${promptId}`;
    throw new CommandFailure(what, { exitCode: exitCode.notFound, reason: "PROMPT_NOT_FOUND" });
  }
  throw new CommandFailure(`${id} asks ${fitting.length} questions`, {
    exitCode: exitCode.usage,
    reason: "USAGE",
    hint: fitting
      .slice(0, 5)
      .map(
        ({ taskId, prompt }) =>
          `antiphon answer ${taskId} ${prompt.promptId} TEXT (${shortened(questionText(prompt))})`,
      )
      .join("; "),
  });
}

/** The answer of whoever sits before the command, or of what is piped in; undefined when they think better of it. */
async function asked(context: CommandContext, prompt: Prompt): Promise<string | undefined> {
  const screen = context.screen();
  using asker = context.asker(screen);
  const question = { text: questionText(prompt), secret: prompt.password };
  const answer = await asker.ask(question, new AbortController().signal);
  if (answer.kind === "answer") return answer.text;
  if (answer.kind === "nobody") throw usage("no answer is given, and standard input has none");
  return undefined;
}

function shortened(text: string): string {
  const line = plainText(text).trim().replaceAll(/\s+/g, " ");
  return line.length > 40 ? `${line.slice(0, 40)}…` : line;
}

function usage(message: string): CommandFailure {
  return new CommandFailure(message, { exitCode: exitCode.usage, reason: "USAGE" });
}
