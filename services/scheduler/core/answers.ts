import type { JsonObject } from "./json.ts";
import type { Task } from "./run.ts";

/**
 * What was asked by a task and answered, as templates see it: `prompts` in order,
 * and `answers` by a name that is made of the question, `What is your name?`
 * giving `what_is_your_name`. Where two questions give one name, the later answer
 * counts. Secrets are not among the answers; a question that nobody answered in
 * time has the empty one that its program got.
 */
export function answersOf({ prompts }: Task): JsonObject {
  const answers: Record<string, string> = {};
  for (const { text, password, answer } of prompts) {
    const name = nameOf(text);
    if (answer !== undefined && !password && name !== "") answers[name] = answer;
  }
  return {
    answers,
    prompts: prompts.map(({ promptId, text, password, answer = null, answeredBy = null }) => {
      return { prompt_id: promptId, text, answer: password ? null : answer, answered_by: answeredBy };
    }),
  };
}

function nameOf(question: string): string {
  return question
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "_")
    .replace(/^_+|_+$/g, "")
    .slice(0, 60);
}
