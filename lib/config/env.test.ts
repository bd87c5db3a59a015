import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { ConfigError, milliseconds, port, readEach, readEnv, secret } from "./env.ts";

const schema = {
  TEST_PORT: port.default(7_000),
  TEST_WAIT_MS: milliseconds,
  TEST_NAME: z.string().min(3),
  TEST_KEY: secret,
};

describe("readEnv", () => {
  test("answers typed values, and defaults for what is unset or empty", () => {
    const read = readEnv(schema, { TEST_PORT: "", TEST_WAIT_MS: "250", TEST_NAME: "abc", TEST_KEY: "k" });
    expect(read).toMatchObject({ TEST_PORT: 7_000, TEST_WAIT_MS: 250, TEST_NAME: "abc" });
    expect(read.TEST_KEY()).toBe("k");
  });

  test("names all faults at once and no value", () => {
    const read = () => readEnv(schema, { TEST_PORT: "hunter2", TEST_WAIT_MS: "-1", TEST_NAME: "" });
    expect(read).toThrow(ConfigError);
    expect(read).toThrow(
      /TEST_PORT: .*\n.*TEST_WAIT_MS: .*\n.*TEST_NAME: is required\n.*TEST_KEY: is required/,
    );
    expect(read).not.toThrow(/hunter2/);
  });

  test.each([
    ["soon", "TEST_WAIT_MS: is no number"],
    ["1.5", "TEST_WAIT_MS: is no whole number"],
  ])("says of %s in plain words that it is none", (value, fault) => {
    expect(faultsOf(() => readEnv({ TEST_WAIT_MS: milliseconds }, { TEST_WAIT_MS: value }))).toEqual([fault]);
  });

  test("names where in a variable a fault is", () => {
    const list = z.string().transform((_text, context) => {
      context.addIssue({ code: "custom", path: [0, "name"], message: "is wrong" });
    });
    expect(faultsOf(() => readEnv({ TEST_LIST: list }, { TEST_LIST: "[]" }))).toEqual([
      "TEST_LIST[0].name: is wrong",
    ]);
  });

  test("reads a secret from its file, anew each time", async () => {
    await using folder = await temporaryFolder("config");
    const path = join(folder.path, "key");
    await writeFile(path, "first\n");
    const { TEST_KEY: key } = readEnv({ TEST_KEY: secret }, { TEST_KEY_FILE: path });
    expect(key()).toBe("first");
    await writeFile(path, "second\n");
    expect(key()).toBe("second");
    await rm(path);
    expect(key).toThrow("TEST_KEY: the file that TEST_KEY_FILE names can not be read (ENOENT)");
  });

  test("refuses a file that is not there or empty when it starts", () => {
    expect(() => readEnv({ TEST_KEY: secret }, { TEST_KEY_FILE: "/nowhere" })).toThrow(
      "the configuration can not be used:\n  TEST_KEY: the file that TEST_KEY_FILE names can not be read (ENOENT)",
    );
    expect(() => readEnv({ TEST_KEY: secret }, { TEST_KEY_FILE: "/dev/null" })).toThrow(
      "the file that TEST_KEY_FILE names is empty",
    );
  });

  test("takes only secrets from files", () => {
    const env = { TEST_NAME_FILE: "/etc/hostname" };
    expect(() => readEnv({ TEST_NAME: z.string() }, env)).toThrow("TEST_NAME: can not come from a file");
  });
});

describe("readEach", () => {
  const readers = {
    wait: (env: NodeJS.ProcessEnv) => readEnv({ TEST_WAIT_MS: milliseconds }, env).TEST_WAIT_MS,
    both: (env: NodeJS.ProcessEnv) => readEnv({ TEST_WAIT_MS: milliseconds, TEST_PORT: port }, env),
  };

  test("answers what every reader read", () => {
    const env = { TEST_WAIT_MS: "1", TEST_PORT: "2" };
    expect(readEach(readers, env)).toEqual({ wait: 1, both: { TEST_WAIT_MS: 1, TEST_PORT: 2 } });
  });

  test("names the faults of all, each once", () => {
    expect(faultsOf(() => readEach(readers, { TEST_PORT: "none" }))).toEqual([
      "TEST_WAIT_MS: is required",
      "TEST_PORT: is no number",
    ]);
  });

  test("lets every other error through", () => {
    const broken = () => {
      throw new TypeError("broken");
    };
    expect(() => readEach({ ...readers, broken }, {})).toThrow(TypeError);
  });
});

function faultsOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}
