import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileLock } from "../../../lib/process/file-lock.ts";
import { Slots } from "./slots.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "slots-"));
  await chmod(directory, 0o755);
});

afterEach(async () => {
  await chmod(directory, 0o755);
  await rm(directory, { recursive: true });
});

const asRoot = process.getuid?.() === 0;
const open = (count: number, given = {}) =>
  Slots.open({ directory, count, firstUid: 45_000, uidLocks: join(directory, "uids"), ...given });

test("a lock is held by one at a time, and by its holder's life", async () => {
  const path = join(directory, "lock");
  const lock = await FileLock.take(path);
  expect(lock).toBeDefined();
  expect(await FileLock.take(path)).toBeUndefined();
  await lock?.release();
  const again = await FileLock.take(path);
  expect(again).toBeDefined();
  await again?.release();
});

test("never gives one slot to two holders, and gives it again after its release", async () => {
  const names = (slots: Slots) => slots.all.map(({ name }) => name);
  const one = await open(2);
  {
    await using other = await open(2);
    expect(new Set([...names(one), ...names(other)])).toHaveLength(4);
  }
  const held = names(one);
  await one[Symbol.asyncDispose]();
  await using next = await open(2);
  expect(names(next)).toEqual(held);
});

test.runIf(asRoot)("never gives one uid to two holders, though their folders differ", async () => {
  const uids = (slots: Slots) => slots.all.map(({ uid }) => uid);
  const elsewhere = join(directory, "elsewhere");
  const one = await open(2);
  {
    await using other = await open(2, { directory: elsewhere });
    expect(new Set([...uids(one), ...uids(other)])).toHaveLength(4);
  }
  const held = uids(one);
  await one[Symbol.asyncDispose]();
  await using next = await open(2, { directory: elsewhere });
  expect(uids(next)).toEqual(held);
});

test("takes each slot once until it is given back", async () => {
  await using slots = await open(1);
  const slot = slots.take();
  expect(slot).toBeDefined();
  expect(slots.take()).toBeUndefined();
  if (slot) slots.giveBack(slot);
  expect(slots.take()).toBe(slot);
});

test("a slot's folder is closed to all but its own group", async () => {
  await using slots = await open(1);
  const [slot] = slots.all;
  const { mode, gid } = await stat(slot?.folder ?? "");
  expect([mode & 0o777, gid]).toEqual([0o710, slot?.gid]);
});

test.runIf(asRoot)("root's slots have uids of their own, none of which has a name", async () => {
  const passwd = await readFile("/etc/passwd", "utf8");
  const named = Number(/^nobody:x:(\d+)/m.exec(passwd)?.[1]);
  await using slots = await open(2, { firstUid: named - 1 });
  expect(slots.all.map(({ uid }) => uid)).toEqual([named - 1, named + 1]);
});

test.runIf(asRoot)("refuses a folder that the slots' uids cannot reach", async () => {
  await chmod(directory, 0o700);
  const below = join(directory, "below");
  await mkdir(below);
  await expect(open(1, { directory: below })).rejects.toThrow("must be traversable");
});

test("refuses a folder whose sockets would have too long a path", async () => {
  const long = join(directory, "x".repeat(90));
  await expect(open(1, { directory: long })).rejects.toThrow("too long a path");
});

test("refuses a folder that is a link", async () => {
  await mkdir(join(directory, "elsewhere"));
  await symlink("elsewhere", join(directory, "slots"));
  await expect(open(1)).rejects.toThrow("must be a folder");
});
