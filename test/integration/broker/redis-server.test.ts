import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { askRedis } from "../../../lib/broker/redis-inline.ts";
import { RedisServer } from "../../../lib/broker/redis-server.ts";

describe("an embedded redis", () => {
  let dataDirectory: string;
  beforeEach(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "antiphon-redis-test-"));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(dataDirectory, { recursive: true });
  });

  test("listens on a private socket alone, keeps nothing on disk and refuses to evict", async () => {
    await using server = await RedisServer.start({ dataDirectory });
    expect(server.version).toMatch(/^\d+\.\d+/);
    expect(server.startedInMs).toBeGreaterThan(0);
    expect((await stat(dirname(pathOf(server.url)))).mode & 0o777).toBe(0o700);
    expect((await stat(pathOf(server.url))).mode & 0o777).toBe(0o700);
    const info = await askRedis(pathOf(server.url), "INFO", 1_000);
    for (const line of ["tcp_port:0", "aof_enabled:0", "maxmemory_policy:noeviction"]) {
      expect(info.split("\r\n")).toContain(line);
    }
    await askRedis(pathOf(server.url), "SET key value", 1_000);
    await server[Symbol.asyncDispose]();
    expect(await readdir(join(dataDirectory, "redis"))).toEqual([]);
  });

  test("has a process group of its own, and is gone with its socket after the end", async () => {
    const server = await RedisServer.start({ dataDirectory });
    const pid = await pidOf(server.url);
    const afterName = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ")[1] ?? "";
    expect(afterName.split(" ")[2]).toBe(String(pid));
    await server[Symbol.asyncDispose]();
    expect(await isAlive(pid)).toBe(false);
    await expect(stat(dirname(pathOf(server.url)))).rejects.toThrow("ENOENT");
  });

  test("comes back on the same address when it is killed", async () => {
    await using server = await RedisServer.start({ dataDirectory });
    const pid = await pidOf(server.url);
    process.kill(pid, "SIGKILL");
    await vi.waitFor(async () => expect(await pidOf(server.url)).not.toBe(pid), 10_000);
  });

  test("works below any data folder, however long its path and whatever is in it", async () => {
    const odd = join(dataDirectory, `a "quoted" \\ folder #1 ü`, "long".repeat(40));
    await using server = await RedisServer.start({ dataDirectory: odd });
    expect(await askRedis(pathOf(server.url), "PING", 1_000)).toBe("PONG");
  });

  test.each([["goes on"], ["hangs"]])("ends what a killed process left, also when that %s", async (how) => {
    const { parent, pid } = await startInAnotherProcess(dataDirectory);
    parent.kill("SIGKILL");
    await once(parent, "exit");
    expect(await isAlive(pid)).toBe(true);
    if (how === "hangs") process.kill(pid, "SIGSTOP");
    await using server = await RedisServer.start({ dataDirectory });
    expect(await isAlive(pid)).toBe(false);
    expect(await askRedis(pathOf(server.url), "PING", 1_000)).toBe("PONG");
  });

  test("spares the redis of another data folder", async () => {
    await using other = await RedisServer.start({ dataDirectory: join(dataDirectory, "other") });
    const server = await RedisServer.start({ dataDirectory: join(dataDirectory, "this") });
    await server[Symbol.asyncDispose]();
    expect(await askRedis(pathOf(other.url), "PING", 1_000)).toBe("PONG");
  });

  test("says why when the program does not come up, and that there is none", async () => {
    const folder = join(dataDirectory, "bin");
    await mkdir(folder);
    vi.stubEnv("PATH", folder);
    await expect(RedisServer.start({ dataDirectory })).rejects.toThrow(
      "no redis-server and no valkey-server on PATH",
    );
    await writeFile(join(folder, "redis-server"), "#!/bin/sh\necho 'no such luck'; exit 3\n");
    await chmod(join(folder, "redis-server"), 0o755);
    await expect(RedisServer.start({ dataDirectory })).rejects.toThrow(
      "redis did not start (exit 3): no such luck",
    );
  });

  test("refuses a socket folder that others may enter", async () => {
    const first = await RedisServer.start({ dataDirectory });
    const folder = dirname(pathOf(first.url));
    await first[Symbol.asyncDispose]();
    await mkdir(folder);
    await chmod(folder, 0o755);
    await expect(RedisServer.start({ dataDirectory })).rejects.toThrow("not a folder of this user alone");
    await rm(folder, { recursive: true });
  });
});

const pathOf = (url: string): string => url.slice("unix://".length);

async function pidOf(url: string): Promise<number> {
  const info = await askRedis(pathOf(url), "INFO server", 1_000);
  return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
}

/** A dead process that nobody has waited for still has its number, but no program. */
async function isAlive(pid: number): Promise<boolean> {
  return await readlink(`/proc/${pid}/exe`).then(
    () => true,
    () => false,
  );
}

async function startInAnotherProcess(dataDirectory: string): Promise<{ parent: ChildProcess; pid: number }> {
  const program = `
    import { RedisServer } from ${JSON.stringify(new URL("../../../lib/broker/redis-server.ts", import.meta.url).href)};
    const server = await RedisServer.start({ dataDirectory: ${JSON.stringify(dataDirectory)} });
    console.log(server.url);
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [url] = (await once(createInterface(parent.stdout), "line")) as [string];
  return { parent, pid: await pidOf(url) };
}
