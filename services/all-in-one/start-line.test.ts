import { describe, expect, test } from "vitest";
import { readStartLine } from "./start-line.ts";

describe("readStartLine", () => {
  test("takes what is said and leaves the rest to the environment", () => {
    expect(readStartLine(["--port", "8001", "--data-dir=here"])).toEqual({
      kind: "start",
      options: { host: undefined, port: "8001", dataDir: "here" },
    });
  });

  test.each([
    [["--prot", "1"], "--prot"],
    [["more"], "more"],
    [["--port"], "--port"],
  ])("says what may be given instead of %j", (args, named) => {
    const line = readStartLine(args);
    expect(line).toMatchObject({ kind: "said", exitCode: 2 });
    expect(line).toHaveProperty("text", expect.stringMatching(new RegExp(`${named}.*\nusage: npm start`)));
  });

  test("says so when asked for help", () => {
    expect(readStartLine(["--help"])).toMatchObject({
      kind: "said",
      exitCode: 0,
      text: expect.stringContaining("--data-dir FOLDER"),
    });
  });
});
