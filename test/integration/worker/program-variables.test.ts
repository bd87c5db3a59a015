/* What a program finds in its environment is in no process list, whatever isolates it. */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SandboxUnderTest } from "./sandboxed-run.ts";

describe.each([
  ["bubblewrap", 43_000],
  ["process", 43_100],
] as const)("a program's environment under %s", (backend, firstUid) => {
  let under: SandboxUnderTest;

  beforeAll(async () => {
    under = await SandboxUnderTest.open({ firstUid, backend });
  });
  afterAll(async () => await under.close());

  test("reaches the program whole, and stands on the command line of no process", async () => {
    const secret = `secret-${randomUUID()}`;
    const variables = { TOKEN: secret, LINES: "one\ntwo = 'x' $(y)", EMPTY: "" };
    const source =
      "import os, sys; print([os.environ[n] for n in ('TOKEN', 'LINES', 'EMPTY')]); sys.stdin.read()";
    await using program = await under.start({
      command: () => ["/usr/bin/python3", "-u", "-c", source],
      variables,
      stdin: "open",
    });
    const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe(`['${secret}', "one\\ntwo = 'x' $(y)", '']`);
    const commandLines = everyCommandLine();
    expect(commandLines.some((line) => line.includes("sys.stdin.read"))).toBe(true);
    expect(commandLines.filter((line) => line.includes(secret))).toEqual([]);
    program.stdin?.end();
    const [end] = await Promise.all([program.exited, text(program.stderr)]);
    expect(end).toEqual({ kind: "exited", code: 0 });
  });

  test("has the names that are ours from us alone", async () => {
    const { stdout } = await under.python("import os; print(os.environ['ANTIPHON_OUTPUT_DIR'] == 'mine')", {
      variables: { ANTIPHON_OUTPUT_DIR: "mine" },
    });
    expect(stdout).toBe("False\n");
  });
});

/** The command lines of all processes. */
function everyCommandLine(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, "latin1")];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
}
