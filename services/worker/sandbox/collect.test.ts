import { execFileSync } from "node:child_process";
import { link, mkdir, mkdtemp, rm, symlink, truncate, unlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { collectArtifacts, defaultCollectLimits } from "./collect.ts";

let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "collect-"));
  await mkdir(join(home, "output"));
});

afterEach(async () => {
  await rm(home, { recursive: true });
});

const collect = (limits = {}) => collectArtifacts(home, { ...defaultCollectLimits, ...limits });
const put = (path: string, content: string | Buffer = "") => writeFile(join(home, path), content);

test("takes files and their contents from both output folders, and nothing else of the home", async () => {
  await mkdir(join(home, "waldiez_out/logs"), { recursive: true });
  await put("output/b.txt", "two");
  await put("output/a.txt", "");
  await put("waldiez_out/logs/c.txt", "three");
  await put("secret.txt", "stays");
  const { artifacts, refused } = await collect();
  const contents = await Promise.all(
    artifacts.map(async (artifact) => [artifact.path, await text(await artifact.open())]),
  );
  expect(contents).toEqual([
    ["a.txt", ""],
    ["b.txt", "two"],
    ["waldiez_out/logs/c.txt", "three"],
  ]);
  expect(refused).toEqual([]);
});

test("leaves the keys of models that Waldiez writes beside a flow's output", async () => {
  await mkdir(join(home, "waldiez_out/chat/1/__pycache__"), { recursive: true });
  await put("waldiez_out/chat/1/chat.py", "flow");
  await put("waldiez_out/chat/1/chat_api_keys.py", "key");
  await put("waldiez_out/chat/1/chat.waldiez", "the flow, with its key");
  await put("waldiez_out/chat/1/__pycache__/chat_api_keys.cpython-311.pyc", "key");
  await put("output/my_api_keys.py", "the program's own affair");
  const { artifacts, refused } = await collect();
  expect(artifacts.map(({ path }) => path)).toEqual(["my_api_keys.py", "waldiez_out/chat/1/chat.py"]);
  expect(refused).toEqual([]);
});

test("finds nothing where no output folder is left", async () => {
  await rm(join(home, "output"), { recursive: true });
  expect(await collect()).toEqual({ artifacts: [], refused: [], refusedCount: 0 });
});

test("does not follow an output folder that is a link", async () => {
  await rm(join(home, "output"), { recursive: true });
  await symlink("/etc", join(home, "output"));
  const { artifacts, refused } = await collect();
  expect(artifacts).toEqual([]);
  expect(refused).toEqual([{ path: "output", why: "not a plain file" }]);
});

test("refuses links, FIFOs and sockets and takes the good file among them", async () => {
  await put("output/good", "good");
  await put("twice");
  await link(join(home, "twice"), join(home, "output/hard"));
  await symlink("/etc/passwd", join(home, "output/soft"));
  await symlink("/", join(home, "output/root"));
  execFileSync("mkfifo", [join(home, "output/fifo")]);
  const server = createServer().listen(join(home, "output/socket"));
  const { artifacts, refused } = await collect();
  server.close();
  expect(artifacts.map(({ path }) => path)).toEqual(["good"]);
  expect(Object.fromEntries(refused.map(({ path, why }) => [path, why]))).toEqual({
    fifo: "not a plain file",
    hard: "linked",
    root: "linked",
    socket: "not a plain file",
    soft: "linked",
  });
});

test("refuses by count, by size before a byte is read, and by depth", async () => {
  await put("output/a", "12345");
  await put("output/sparse");
  await truncate(join(home, "output/sparse"), 2 ** 40);
  await put("output/z");
  await mkdir(join(home, "output/d/e/f"), { recursive: true });
  const { artifacts, refused } = await collect({ files: 1, bytes: 1000, depth: 2 });
  expect(artifacts.map(({ path }) => path)).toEqual(["a"]);
  expect(refused).toEqual([
    { path: "d/e/f", why: "too deep" },
    { path: "sparse", why: "too many" },
    { path: "z", why: "too many" },
  ]);
  expect((await collect({ bytes: 1000 })).refused).toContainEqual({ path: "sparse", why: "too large" });
});

test("shows names that mislead nobody, each of them once", async () => {
  const raw = (name: Buffer) => writeFile(Buffer.concat([Buffer.from(`${home}/output/`), name]), "");
  await raw(Buffer.from("-rf"));
  await raw(Buffer.from("a\nb"));
  await raw(Buffer.from("a\tb"));
  await raw(Buffer.from("evil\u202etxt.exe"));
  await raw(Buffer.from([0x78, 0xff]));
  const { artifacts } = await collect();
  expect(artifacts.map(({ path }) => path).sort()).toEqual([
    "_rf",
    "a_b",
    "a_b~2",
    "evil_txt.exe",
    "x\ufffd",
  ]);
});

test("notices that a found file was replaced", async () => {
  await put("output/a", "12345");
  const { artifacts } = await collect();
  await put("output/b", "12345");
  await unlink(join(home, "output/a"));
  await symlink("b", join(home, "output/a"));
  await expect(artifacts[0]?.open()).rejects.toThrow(/ELOOP|not the one/);
});
