import { spawn } from "node:child_process";
import { chmod, chown, copyFile, mkdir, readdir, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { EnvironmentCache } from "../../../services/worker/environment/cache.ts";
import { flowEnvironment } from "../../../services/worker/environment/environment-spec.ts";
import { unprivileged } from "../../../services/worker/environment/unprivileged.ts";
import { installShim } from "../../../services/worker/handlers/shim.ts";
import { temporaryFolder } from "../../support/temporary-folder.ts";

// The cache that a worker on this machine uses, so that the environment is built once for all tests.
const directory = process.getuid?.() === 0 ? "/var/lib/antiphon" : join(homedir(), ".cache", "antiphon");
const fromRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const buildTimeoutMs = 300_000;

test(
  "the example flow holds its whole conversation in the sealed environment of real Waldiez, as another uid",
  async () => {
    const flow = JSON.parse(await readFile(fromRoot("examples/chat.waldiez"), "utf8"));
    await mkdir(directory, { recursive: true, mode: 0o755 });
    await using cache = await EnvironmentCache.open({ directory });
    await using environment = await cache.acquire(flowEnvironment(flow));
    await using folder = await temporaryFolder("waldiez");
    await chmod(folder.path, 0o755);
    const shim = await installShim({ source: fromRoot("sdk/python/src"), directory: folder.path });
    const home = join(folder.path, "box");
    await mkdir(home);
    const { uid, gid } = unprivileged();
    if (uid !== undefined && gid !== undefined) await chown(home, uid, gid);
    await copyFile(fromRoot("examples/chat.waldiez"), join(folder.path, "chat.waldiez"));

    const heard: { type: string; message?: { type: string }; prompt?: string; value?: unknown }[] = [];
    const answers = ["hello there", "and again"];
    const server = createServer((connection) => {
      connection.write(
        `${JSON.stringify({ type: "start", run_id: "r", task_id: "t", attempt: 1, input: null })}\n`,
      );
      createInterface({ input: connection }).on("line", (line) => {
        const said = JSON.parse(line);
        heard.push(said);
        if (said.type !== "input_request") return;
        const value = answers.shift() ?? null;
        connection.write(
          `${JSON.stringify({ type: "input", prompt_id: said.prompt_id, value, closed: value === null })}\n`,
        );
      });
    });
    const socket = join(folder.path, "s");
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    await chmod(socket, 0o666);
    try {
      const program = spawn(
        join(environment.mounts.at(-1)?.source ?? "", "bin", "python"),
        ["-I", "-u", join(shim, "antiphon", "__main__.py"), "waldiez", join(folder.path, "chat.waldiez")],
        {
          ...unprivileged(),
          cwd: home,
          env: { PATH: "/usr/bin:/bin", HOME: home, ANTIPHON_SOCKET: socket },
          stdio: ["ignore", "pipe", "pipe"],
        },
      );
      const ended = new Promise<number | null>((resolve) => program.once("close", resolve));
      const [stdout, stderr] = await Promise.all([text(program.stdout), text(program.stderr)]);
      expect({ code: await ended, stderr }).toMatchObject({ code: 0 });
      // What agents say goes out as messages, and is not printed as well.
      expect(stdout).toContain("Workflow finished");
      expect(stdout).not.toContain("hello there");
    } finally {
      server.close();
    }
    expect(
      heard.filter(({ type }) => type === "input_request").map(({ prompt }) => prompt?.split(".")[0]),
    ).toEqual(["Enter your message to start the conversation: ", "Replying as user"]);
    const texts = heard.filter(({ message }) => message?.type === "text");
    expect(texts.map((each) => JSON.stringify(each).includes('"sender":"assistant"'))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    expect(heard.at(-1)).toMatchObject({ type: "result", value: [{ index: 0, last_speaker: "assistant" }] });
    const left = await readdir(join(home, "waldiez_out"), { recursive: true });
    expect(left.filter((name) => name.endsWith("results.json"))).toHaveLength(1);
  },
  buildTimeoutMs,
);
