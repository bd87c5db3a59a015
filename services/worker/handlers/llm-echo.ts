import type { Outcome } from "../outcome.ts";
import { chatOf, type LlmRequest } from "./llm-config.ts";

/** How much of the question the answer repeats, in characters. */
const repeatedLength = 300;

/** Answers in the place of a model, always the same to the same question, and marks its output `echo`. */
export function echoAnswer(request: LlmRequest): Outcome {
  const chat = chatOf(request);
  const asked = (chat.at(-1)?.content ?? "").slice(0, repeatedLength).toWellFormed();
  const said = `echo: ${asked}`;
  const promptTokens = chat.reduce((sum, { content }) => sum + wordsIn(content), 0);
  const output = {
    answer: request.json ? { echo: asked } : said,
    model: "echo",
    finish_reason: "stop",
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: wordsIn(said),
      total_tokens: promptTokens + wordsIn(said),
    },
    echo: true,
  };
  return { kind: "completed", output: Buffer.from(JSON.stringify(output)) };
}

function wordsIn(text: string): number {
  return text.split(/\s+/).filter((word) => word !== "").length;
}
