import { z } from "zod";

const message = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"], "must be system, developer, user or assistant"),
  content: z.string(),
});

/** A text; anything else that a template brought is written as JSON. */
const text = z.unknown().transform((value) => (typeof value === "string" ? value : JSON.stringify(value)));

/** The config of an `llm` node. */
export const llmConfig = z
  .strictObject({
    prompt: text.optional(),
    messages: z.array(message).min(1).max(1_000).optional(),
    model: z.string().min(1).max(200).optional(),
    system: z.string().optional(),
    temperature: z.number().min(0).max(2).optional(),
    max_tokens: z.int().min(1).max(1_000_000).optional(),
    json: z.boolean().default(false),
  })
  .superRefine(({ prompt, messages }, context) => {
    if ((prompt === undefined) === (messages === undefined)) {
      context.addIssue({
        code: "custom",
        path: ["prompt"],
        message: "either it or messages is required, not both",
      });
    }
  });

/** What an `llm` node asks for. */
export type LlmRequest = z.output<typeof llmConfig>;

/** A message of a conversation, as chat endpoints take it. */
export type ChatMessage = z.output<typeof message>;

/** The conversation that a config describes. */
export function chatOf({ prompt, messages, system }: LlmRequest): readonly ChatMessage[] {
  const asked = messages ?? [{ role: "user" as const, content: prompt ?? "" }];
  return system === undefined ? asked : [{ role: "system", content: system }, ...asked];
}
