import { describe, expect, test } from "vitest";
import { questionText } from "./question-text.ts";

describe("questionText", () => {
  test("names what may be answered", () => {
    expect(questionText({ text: "Ship?\n", choices: ["ship", "hold"] })).toBe("Ship? (ship, hold) ");
    expect(questionText({ text: "", choices: ["yes", "no"] })).toBe("(yes, no) ");
  });

  test("leaves a question that takes any text as it is", () => {
    expect(questionText({ text: "name: ", choices: [] })).toBe("name: ");
  });

  test("says that there are more than ten", () => {
    const choices = Array.from({ length: 100 }, (_, index) => `c${index}`);
    expect(questionText({ text: "Which?", choices })).toMatch(/^Which\? \(c0, .*, c9, …\) $/);
  });

  test("shows no control characters", () => {
    expect(questionText({ text: "a\u001b[2J", choices: ["b\u001b[2J"] })).not.toContain("\u001b");
  });
});
