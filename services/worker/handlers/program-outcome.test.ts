import { describe, expect, test } from "vitest";
import { LastLine } from "./last-line.ts";
import { type EndedProgram, outcomeOf } from "./program-outcome.ts";

const ended = (program: Partial<EndedProgram>): EndedProgram => ({
  end: { kind: "exited", code: 0 },
  lastErrorLine: "",
  wallMs: 1_000,
  result: undefined,
  resultFile: async () => undefined,
  ...program,
});

const outputOf = async (program: Partial<EndedProgram>): Promise<string> => {
  const outcome = await outcomeOf(ended(program));
  return outcome.kind === "completed" ? Buffer.from(outcome.output).toString() : outcome.kind;
};

describe("the outcome of a program", () => {
  test("is what it handed over, else the JSON of its result file, else null", async () => {
    const resultFile = async (): Promise<Buffer> => Buffer.from('{"from":"file"}');
    expect(await outputOf({ result: "1", resultFile })).toBe("1");
    expect(await outputOf({ resultFile })).toBe('{"from":"file"}');
    expect(await outputOf({})).toBe("null");
  });

  test.each([
    ["{", "no JSON"],
    ["\xff", "no UTF-8"],
  ])("is invalid when the result file holds %j: %s", async (text) => {
    const outcome = await outcomeOf(ended({ resultFile: async () => Buffer.from(text, "latin1") }));
    expect(outcome).toMatchObject({ kind: "failed", reason: "OUTPUT_INVALID" });
  });

  test.each([
    [{ kind: "exited", code: 3 }, "EXIT_CODE"],
    [{ kind: "signalled", signal: "SIGSEGV" }, "SIGNAL"],
    [{ kind: "limit", which: "wall_time" }, "WALL_TIME_LIMIT"],
    [{ kind: "limit", which: "memory" }, "MEMORY_LIMIT"],
    [{ kind: "failed_to_start", reason: "no bwrap" }, "SANDBOX_UNAVAILABLE"],
  ] as const)("names how it ended: %o is %s", async (end, reason) => {
    expect(await outcomeOf(ended({ end, result: "1" }))).toMatchObject({ kind: "failed", reason });
  });
});

describe("the last line", () => {
  test("is the last with something on it, whatever the chunks", () => {
    const line = new LastLine();
    for (const chunk of ["first\nsec", "ond li", "ne\n", "\n  \n"]) line.add(Buffer.from(chunk));
    expect(line.text).toBe("second line");
    line.add(Buffer.from("x".repeat(100_000)));
    expect(line.text).toBe("x".repeat(2_048));
  });
});
