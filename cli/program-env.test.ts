import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type TemporaryFolder, temporaryFolder } from "../test/support/temporary-folder.ts";
import { programEnv } from "./program-env.ts";

let folder: TemporaryFolder;

beforeEach(async () => {
  folder = await temporaryFolder("program-env");
});
afterEach(() => folder[Symbol.asyncDispose]());

test("Values are what stands behind the first equals sign, or the caller's own", async () => {
  const texts = ["A=1", "B=x=y=", "EMPTY=", "HERE", "A=2"];
  const env = await programEnv({ files: [], texts }, { HERE: "there", OTHER: "no" });
  expect(env).toEqual({ A: "2", B: "x=y=", EMPTY: "", HERE: "there" });
});

test("Files are read as .env files are, the later before the earlier and options before both", async () => {
  const one = await written("one", '# keys\nA=1\nexport B="two words" # said\n\nC=1\n');
  const two = await written("two", "A='2'\nC=2\n");
  expect(await programEnv({ files: [one, two], texts: ["C=3"] }, {})).toEqual({
    A: "2",
    B: "two words",
    C: "3",
  });
});

test("A name that the caller's environment has not is refused by its name", async () => {
  await expect(programEnv({ files: [], texts: ["NOWHERE"] }, {})).rejects.toMatchObject({
    message: "--env NOWHERE: there is no variable of this name here",
    exitCode: 2,
  });
});

test.each(["hunter-2", "hunter-2=x", "=hunter-2", "", "hun ter-2=1"])(
  "What is no variable is refused without being repeated: %j",
  async (text) => {
    const refused = programEnv({ files: [], texts: ["A=1", text] }, {});
    await expect(refused).rejects.toMatchObject({
      message: "number 2 of --env is neither NAME=VALUE nor NAME",
    });
  },
);

test("A file that is not there, or has a line that is no variable, is refused without its content", async () => {
  const missing = join(folder.path, "none");
  await expect(programEnv({ files: [missing], texts: [] }, {})).rejects.toMatchObject({
    message: `${missing}: there is no such file`,
    exitCode: 2,
  });
  const key = await written("key", "A=1\nhunter-2/abc==\n");
  await expect(programEnv({ files: [key], texts: [] }, {})).rejects.toMatchObject({
    message: `${key}: not all of it is NAME=value`,
  });
});

async function written(name: string, text: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  return path;
}
