/*
 * Every command of the README, word by word, against a server that the second of
 * its two commands starts. Blocks marked `terminal` want a person: they are run
 * by the tests of the command line in a terminal, see test/integration/cli.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Antiphon, root, startAllInOne } from "../support/antiphon-processes.ts";

const readme = readFileSync(join(root, "README.md"), "utf8");

/** The blocks of commands: what stands behind the language, and the text. */
const blocks = [...readme.matchAll(/^```sh ?(\w*)\n(.*?)^```$/gms)].map(([, mark = "", text = ""]) => ({
  mark,
  text,
}));

/** What has to be seen, by a word of the block. */
const shown: Readonly<Record<string, RegExp>> = {
  "printf 'Ada": /^Hello, Ada\. Your password has 8 characters; nobody kept it\.$/m,
  "chat.waldiez": /assistant → user: /,
  "workflow validate": /node=D state=COMPLETED/,
  SubmitTask: /TASK_STATE_WAITING_FOR_INPUT[^]*"cancelRequested":true/,
  "buf curl": /antiphon\.taskio\.v1\.TaskIOService\/Attach[^]*"runs"/,
  "workflow/trigger": /Workflow triggered[^]*"status":"COMPLETED"[^]*"simulated":true/,
  "examples/submit.ts": /Hello, Ada\./,
  doctor: /sandbox/,
};

describe("the README", () => {
  let antiphon: Antiphon;

  beforeAll(async () => {
    antiphon = await startAllInOne();
  });
  afterAll(async () => await antiphon[Symbol.asyncDispose]());

  test("begins with the two commands, and knows every block of commands that it shows", () => {
    expect(blocks[0]).toEqual({ mark: "setup", text: "npm run setup\nnpm start\n" });
    const run = blocks.filter(({ mark }) => mark === "");
    expect(run.length).toBe(Object.keys(shown).length);
    expect(blocks.map(({ mark }) => mark).every((mark) => ["setup", "terminal", ""].includes(mark))).toBe(
      true,
    );
  });

  test("shows the TypeScript that lies in examples/submit.ts", () => {
    const [, code = ""] = /^```ts\n(.*?)^```$/ms.exec(readme) ?? [];
    expect(readFileSync(join(root, "examples/submit.ts"), "utf8")).toBe(code);
  });

  test.each(Object.entries(shown))("has commands that work: %s", async (word, expected) => {
    const block = blocks.find(({ mark, text }) => mark === "" && text.includes(word));
    const script = (block?.text ?? "exit 99").replaceAll("http://127.0.0.1:8000", antiphon.url);
    const end = await new Promise<{ code: number; output: string }>((resolve) => {
      const child = execFile(
        "bash",
        ["-e", "-o", "pipefail", "-c", script],
        {
          cwd: root,
          env: {
            ...process.env,
            ANTIPHON_DATA_DIR: antiphon.dataDirectory,
            ANTIPHON_URL: antiphon.url,
            NO_COLOR: "1",
          },
        },
        (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, output: stdout + stderr }),
      );
      child.stdin?.end();
    });
    expect(end.output).toMatch(expected);
    expect(end.code).toBe(0);
  });
});
