import { expect, test } from "vitest";
import { type Answered, refuseTooLarge } from "./answered-outputs.ts";

const mebibyte = "x".repeat(1024 * 1024);

/** What a list gave whose items gave a mebibyte each. */
function aList(itemCount: number): Answered {
  const tasks = Array.from({ length: itemCount }, () => ({ output: mebibyte }));
  return { output: tasks.map(({ output }) => output), items: { tasks } };
}

test("lets outputs pass that fit into one answer", () => {
  const fitting = [{ output: mebibyte, items: undefined }, aList(5), { output: undefined, items: undefined }];
  expect(() => refuseTooLarge(fitting, "less")).not.toThrow();
});

test("refuses what is too large together, and the outputs of more items than one text can hold", () => {
  const tooLarge = expect.objectContaining({
    reason: "TOO_LARGE",
    message: expect.stringMatching(/ask for less$/),
  });
  const single = { output: mebibyte, items: undefined };
  expect(() =>
    refuseTooLarge(
      Array.from({ length: 7 }, () => single),
      "less",
    ),
  ).toThrow(tooLarge);
  expect(() => refuseTooLarge([aList(1_000)], "less")).toThrow(tooLarge);
});
