import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync } from "node:fs";
import { chmod, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { BuildSandbox } from "../../../services/worker/environment/build-sandbox.ts";
import { EnvironmentCache } from "../../../services/worker/environment/cache.ts";
import { programEnvironment } from "../../../services/worker/environment/environment-spec.ts";
import { removeSealed } from "../../../services/worker/environment/remove-sealed.ts";
import { type TemporaryFolder, temporaryFolder } from "../../support/temporary-folder.ts";

const buildTimeoutMs = 60_000;
const six = programEnvironment(["six==1.17.0"]);
const olderSix = programEnvironment(["six==1.16.0"]);

let folder: TemporaryFolder;
let children: ChildProcess[];

beforeEach(async () => {
  folder = await temporaryFolder("environment");
  await chmod(folder.path, 0o755);
  children = [];
});

afterEach(async () => {
  for (const child of children.filter(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  )) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  await removeSealed(folder.path);
  await folder[Symbol.asyncDispose]();
});

const listed = (name: string) => readdir(join(folder.path, "environments", name));
const sourceOf = (environment: { readonly mounts: readonly { readonly source: string }[] }) =>
  environment.mounts.at(-1)?.source ?? "";

function worker(...requirements: string[]) {
  const script = fileURLToPath(new URL("acquire.ts", import.meta.url));
  const child = spawn(process.execPath, [script, folder.path, ...requirements], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  const said = { output: "", ready: "" };
  let rest = "";
  child.stdout.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { output, ready } = JSON.parse(line);
      said.output += output ?? "";
      said.ready += ready ?? "";
    }
  });
  return { child, said };
}

describe("an environment cache", () => {
  test("gives a program without requirements the system's Python at once", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    await using environment = await cache.acquire(programEnvironment());
    expect(environment).toMatchObject({ kind: "system", python: cache.interpreter.path });
    expect(await listed("ready")).toEqual([]);
  });

  test("builds once, in view of who waits, seals the result, and finds it again", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    let output = "";
    await using environment = await cache.acquire(six, {
      onOutput: (chunk) => {
        output += chunk.toString();
      },
    });
    expect(environment).toMatchObject({ kind: "venv", python: "/venv/bin/python" });
    expect(output).toContain("Successfully installed six-1.17.0");
    const names = await readdir(sourceOf(environment), { recursive: true });
    expect(names.some((name) => name.endsWith("/six.py"))).toBe(true);
    const stats = names.map((name) => lstatSync(join(sourceOf(environment), name)));
    expect(stats.filter((each) => !each.isSymbolicLink() && (each.mode & 0o222) !== 0)).toEqual([]);
    expect(new Set(stats.map(({ uid }) => uid))).toEqual(new Set([process.getuid?.()]));
    let again = "";
    await using found = await cache.acquire(six, { onOutput: (chunk) => void (again += chunk.toString()) });
    expect(found.digest).toBe(environment.digest);
    expect(again).toBe("");
    expect(await listed("building")).toEqual([]);
  });

  test("shows a program an environment that it can import from and not change, and no network", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    await using environment = await cache.acquire(six);
    const sandbox = await BuildSandbox.open(cache.interpreter, { allowUncontained: false });
    let said = "";
    const source = `
import six, os, socket
def refused(action):
    try: action()
    except OSError: return True
print(os.getuid() != 0, refused(lambda: open(six.__file__, "a")), refused(lambda: open("/venv/new", "w")),
      refused(lambda: os.chmod(six.__file__, 0o777)), refused(lambda: socket.create_connection(("192.0.2.1", 9), 5)),
      os.path.exists("/root"), os.path.exists("/etc/passwd"))`;
    await sandbox.run(
      {
        command: ({ venv }) => [`${venv}/bin/python`, "-I", "-c", source],
        venv: "read-only",
        timeoutMs: 20_000,
        onOutput: (chunk) => void (said += chunk.toString()),
      },
      { venv: sourceOf(environment), downloads: folder.path },
    );
    expect(said).toBe("True True True True True False False\n");
  });

  test("says what pip said last when a package does not exist, and tries again when asked again", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    const unknown = programEnvironment(["antiphon-no-such-package==9.9.9"]);
    for (const _ of ["first", "second"]) {
      let output = "";
      const refused = cache.acquire(unknown, { onOutput: (chunk) => void (output += chunk.toString()) });
      await expect(refused).rejects.toMatchObject({
        fault: "BUILD_FAILED",
        message: expect.stringContaining("No matching distribution found for antiphon-no-such-package"),
      });
      expect(output).toContain("No matching distribution");
    }
    expect([await listed("building"), await listed("ready"), await listed("logs")]).toEqual([[], [], []]);
  });

  test("lets two processes that ask at once wait for one build and both read along", async () => {
    const both = [worker("six==1.17.0"), worker("six==1.17.0")];
    await vi.waitUntil(() => both.every(({ said }) => said.ready !== ""), { timeout: buildTimeoutMs });
    expect(both[0]?.said.ready).toBe(both[1]?.said.ready);
    expect(both.map(({ said }) => said.output.split("Successfully installed six").length - 1)).toEqual([
      1, 1,
    ]);
    const lengths = both.map(({ said }) => said.output.length);
    expect(lengths[0]).toBe(lengths[1]);
  });

  test("removes what a killed builder left, and builds anew", async () => {
    const { child } = worker("six==1.17.0");
    await vi.waitUntil(async () => (await listed("building").catch(() => [])).length > 0, {
      timeout: buildTimeoutMs,
    });
    child.kill("SIGKILL");
    await once(child, "exit");
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    expect([await listed("building"), await listed("logs"), await listed("ready")]).toEqual([[], [], []]);
    await using environment = await cache.acquire(six);
    expect(existsSync(sourceOf(environment))).toBe(true);
  });

  test("ends a build that nobody waits for, and leaves nothing of it", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    const given = new AbortController();
    const asked = cache.acquire(six, {
      signal: given.signal,
      onOutput: () => given.abort(new Error("given up")),
    });
    await expect(asked).rejects.toThrow("given up");
    await vi.waitUntil(async () => (await listed("building")).length === 0, { timeout: buildTimeoutMs });
    expect(await listed("ready")).toEqual([]);
  });

  test("removes the longest unused beyond its size, and never one that a worker uses", async () => {
    const { child, said } = worker("six==1.17.0");
    await vi.waitUntil(() => said.ready !== "", { timeout: buildTimeoutMs });
    await using cache = await EnvironmentCache.open({ directory: folder.path, maxBytes: 1 });
    {
      await using other = await cache.acquire(olderSix);
      expect(existsSync(sourceOf(other))).toBe(true);
      expect(existsSync(said.ready)).toBe(true);
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await using _ = await EnvironmentCache.open({ directory: folder.path, maxBytes: 1 });
    expect(await listed("ready")).toEqual([]);
    expect(await listed("building")).toEqual([]);
  });

  test("records exactly what is installed", async () => {
    await using cache = await EnvironmentCache.open({ directory: folder.path });
    await using environment = await cache.acquire(six);
    const path = join(sourceOf(environment), "..", "environment.json");
    const record = JSON.parse(await readFile(path, "utf8"));
    expect(record).toMatchObject({ digest: environment.digest, requirements: ["six==1.17.0"] });
    expect(record.lock).toContain("six==1.17.0");
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    expect(record.bytes).toBeGreaterThan(100_000);
  });
});
