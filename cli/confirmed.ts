import type { CommandContext } from "./command-context.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** Asks a person whether to go on, unless they said so beforehand. Throws CommandFailure when there is nobody to ask. */
export async function confirmed(
  context: CommandContext,
  question: string,
  saidYes: boolean,
): Promise<boolean> {
  if (saidYes) return true;
  const screen = context.screen();
  using asker = context.asker(screen);
  if (!asker.isPerson) {
    throw new CommandFailure(`${question} there is no terminal to ask on`, {
      exitCode: exitCode.usage,
      reason: "USAGE",
      hint: "say -y",
    });
  }
  const asked = { text: `${question} [y/N] `, secret: false };
  const answer = await asker.ask(asked, new AbortController().signal);
  if (answer.kind === "interrupted") context.endWith(exitCode.interrupted);
  return answer.kind === "answer" && /^y(es)?$/i.test(answer.text.trim());
}
