import { plainText } from "./plain-text.ts";

/**
 * A message of an agent framework as lines for people (`user → assistant: hello`),
 * undefined for messages that are not for them: only what agents say to each
 * other is, not how the framework goes about it.
 */
export function chatLine(message: unknown): string | undefined {
  if (!isRecord(message) || message["type"] !== "text" || !isRecord(message["content"])) return undefined;
  const { sender, recipient, content } = message["content"];
  const text = textOf(content);
  if (text === undefined) return undefined;
  const who = [nameOf(sender), nameOf(recipient)].filter((name) => name !== "").join(" → ");
  return plainText(who === "" ? text : `${who}: ${text}`);
}

/** What was said is a string, or a list of parts of which some are text. */
function textOf(content: unknown): string | undefined {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.flatMap((part) =>
    isRecord(part) && typeof part["text"] === "string" ? [part["text"]] : [],
  );
  return texts.length === 0 ? undefined : texts.join("\n");
}

function nameOf(agent: unknown): string {
  if (typeof agent === "string") return agent;
  return isRecord(agent) && typeof agent["name"] === "string" ? agent["name"] : "";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
