import { describe, expect, test } from "vitest";
import { chatLine } from "./chat-message.ts";

describe("chatLine", () => {
  test("says who said what to whom", () => {
    const content = { sender: "user", recipient: "assistant", content: "hello\nthere" };
    expect(chatLine({ type: "text", content })).toBe("user → assistant: hello\nthere");
  });

  test("joins the parts that are text", () => {
    const parts = [
      { type: "text", text: "look:" },
      { type: "image_url", image_url: {} },
      { type: "text", text: "nice" },
    ];
    expect(chatLine({ type: "text", content: { sender: { name: "user" }, content: parts } })).toBe(
      "user: look:\nnice",
    );
  });

  test("takes control characters out of what was said", () => {
    const content = { sender: "a", recipient: "b", content: "\u001b[2Jgone\u0007" };
    expect(chatLine({ type: "text", content })).toBe("a → b: [2Jgone");
  });

  test.each([
    undefined,
    1,
    "text",
    { type: "tool_call", content: {} },
    { type: "text" },
    { type: "text", content: { content: 7 } },
  ])("has nothing to say about %j", (message) => {
    expect(chatLine(message)).toBeUndefined();
  });
});
