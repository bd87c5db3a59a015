import { createHash, randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  SchedulerService,
  type UploadFileRequestSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { historyStore } from "../../../services/scheduler/history-store.ts";
import { until } from "../../support/until.ts";
import { type Replica, type World, world } from "./scheduler-world.ts";

type Part = MessageInitShape<typeof UploadFileRequestSchema>;

const megabyte = 1024 * 1024;

async function* parts(fileName: string, ...chunks: readonly Uint8Array[]): AsyncGenerator<Part> {
  yield { part: { case: "fileName", value: fileName } };
  for (const value of chunks) yield { part: { case: "chunk", value } };
}

const text = (value: string) => new TextEncoder().encode(value);

describe("an uploaded file", () => {
  let all: World;
  let replica: Replica;

  beforeAll(async () => {
    all = await world("memory");
    replica = await all.replica();
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  const as = (clientId: string, audience = "tasks-api") =>
    createClient(SchedulerService, replica.as(`${audience}/${clientId}`));

  async function upload(clientId: string, fileName: string, ...chunks: readonly Uint8Array[]) {
    const { upload } = await as(clientId).uploadFile(parts(fileName, ...chunks));
    if (upload === undefined) throw new Error("no upload was answered");
    return upload;
  }

  /** A program of a file that is for one use. */
  async function singleUse(clientId: string) {
    const { upload } = await as(clientId).uploadFile(
      (async function* () {
        for await (const part of parts("a.py", text("print()"))) {
          yield { ...part, singleUse: part.part?.case === "fileName" };
        }
      })(),
    );
    return { fileName: "a.py", uploadId: upload?.uploadId ?? "" };
  }

  /** What counts as a client's. */
  async function counted(clientId: string): Promise<object[]> {
    return await all.db.query(sql`
      select upload_id from scheduler.upload where client_id = ${clientId} and removing_at is null
    `);
  }

  async function rows(clientId: string): Promise<number> {
    return (await all.db.query(sql`select upload_id from scheduler.upload where client_id = ${clientId}`))
      .length;
  }

  const files = async (): Promise<string[]> =>
    await readdir(join(all.storageFolder, "uploads")).catch(() => []);

  /** The file that a run has in the database. */
  const contentOf = async (runId: string) =>
    Buffer.from((await historyStore(all.db).program(runId))?.content ?? []).toString();

  test("is measured as it comes, and found by its name", async () => {
    const alice = randomUUID();
    const kept = await upload(alice, "a.py", text("pri"), text(""), text("nt()"));
    expect(kept).toMatchObject({
      fileName: "a.py",
      size: 7n,
      md5: createHash("md5").update("print()").digest("hex"),
    });
    expect((await as(alice).getUpload({ fileName: "a.py" })).upload).toEqual(kept);
    const later = await upload(alice, "a.py", text("print(2)"));
    expect((await as(alice).getUpload({ fileName: "a.py" })).upload).toEqual(later);
    const first = await as(alice).submitTask({ program: { fileName: "a.py", uploadId: kept.uploadId } });
    expect(await contentOf(first.task?.taskId ?? "")).toBe("print()");
    const second = await as(alice).submitTask({ program: { fileName: "b.py", uploadId: later.uploadId } });
    expect(await contentOf(second.task?.taskId ?? "")).toBe("print(2)");
  });

  test("for one use is found by its id alone, and counts no more once something was submitted of it", async () => {
    const alice = randomUUID();
    const program = () => singleUse(alice);
    const submission = { program: await program(), requestId: "once" };
    await expect(as(alice).getUpload({ fileName: "a.py" })).rejects.toMatchObject({ code: Code.NotFound });
    const { task } = await as(alice).submitTask(submission);
    expect(await contentOf(task?.taskId ?? "")).toBe("print()");
    expect((await as(alice).submitTask(submission)).task?.taskId).toBe(task?.taskId);
    const again = as(alice).submitTask({ ...submission, requestId: "twice" });
    await expect(again).rejects.toMatchObject({ code: Code.NotFound });
    const { schedule } = await as(alice).createSchedule({
      schedule: {
        name: "daily",
        timing: { kind: { case: "cron", value: "0 0 * * *" } },
        target: { kind: { case: "task", value: { program: await program() } } },
      },
    });
    const target = (await as(alice).getSchedule({ scheduleId: schedule?.scheduleId ?? "" })).schedule?.target;
    const kept = target?.kind.case === "task" ? target.kind.value.program?.content : undefined;
    expect(Buffer.from(kept ?? []).toString()).toBe("print()");
    expect(await counted(alice)).toEqual([]);
  });

  test("for one use is there after a change of a schedule that does not take it", async () => {
    const alice = randomUUID();
    const aSchedule = async () => ({
      name: "daily",
      timing: { kind: { case: "cron", value: "0 0 * * *" } } as const,
      target: { kind: { case: "task", value: { program: await singleUse(alice) } } } as const,
    });
    const { schedule } = await as(alice).createSchedule({ schedule: await aSchedule() });
    const other = await aSchedule();
    await as(alice).updateSchedule({
      schedule: { ...other, scheduleId: schedule?.scheduleId ?? "" },
      updateMask: { paths: ["name"] },
    });
    expect(await counted(alice)).toEqual([{ upload_id: other.target.kind.value.program.uploadId }]);
  });

  test("for one use counts no more once a submission of it was refused", async () => {
    const alice = randomUUID();
    const submit = async (more: object) =>
      await as(alice).submitTask({
        program: await singleUse(alice),
        dedupeKey: "a",
        requestId: "r1",
        ...more,
      });
    await submit({});
    await expect(submit({ labels: { a: "b" } })).rejects.toMatchObject({ code: Code.AlreadyExists });
    await expect(submit({ requestId: "r2" })).rejects.toMatchObject({ code: Code.FailedPrecondition });
    const limited = submit({ requestId: "r3", dedupeKey: "b", maxActive: 1 });
    await expect(limited).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect(await counted(alice)).toEqual([]);
  });

  test("is its client's alone, also before an admin", async () => {
    const [alice, root] = [randomUUID(), randomUUID()];
    const { uploadId } = await upload(alice, "a.py", text("print()"));
    const notFound = { code: Code.NotFound };
    for (const other of [as(randomUUID()), as(root, "admin-api")]) {
      await expect(other.getUpload({ fileName: "a.py" })).rejects.toMatchObject(notFound);
      const program = { fileName: "a.py", uploadId };
      await expect(other.submitTask({ program })).rejects.toMatchObject(notFound);
    }
    const admin = as(root, "admin-api");
    await admin.uploadFile(parts("own.py", text("print()")));
    expect((await admin.getUpload({ fileName: "own.py" })).upload?.size).toBe(7n);
    for (const uploadId of ["x", randomUUID()]) {
      const program = { fileName: "a.py", uploadId };
      await expect(as(alice).submitTask({ program })).rejects.toMatchObject(notFound);
    }
  });

  test("is refused when it has no plain name or is too large, and nothing is kept", async () => {
    const alice = randomUUID();
    const before = await files();
    const chunk = new Uint8Array(megabyte);
    async function* chunkFirst(): AsyncGenerator<Part> {
      yield { part: { case: "chunk", value: chunk } };
    }
    async function* nameTwice(): AsyncGenerator<Part> {
      yield { part: { case: "fileName", value: "a.py" } };
      yield { part: { case: "fileName", value: "b.py" } };
    }
    const invalid = { code: Code.InvalidArgument };
    for (const stream of [
      parts(""),
      parts(".."),
      parts("a/b.py"),
      parts("a\\b.py"),
      parts("x".repeat(201)),
      chunkFirst(),
      nameTwice(),
    ]) {
      await expect(as(alice).uploadFile(stream)).rejects.toMatchObject(invalid);
    }
    const large = parts("a.py", ...Array.from({ length: 5 }, () => chunk), new Uint8Array(1));
    await expect(as(alice).uploadFile(large)).rejects.toMatchObject({ code: Code.ResourceExhausted });
    expect(await rows(alice)).toBe(0);
    expect(await files()).toEqual(before);
    expect((await upload(alice, "a.py", ...Array.from({ length: 5 }, () => chunk))).size).toBe(5_242_880n);
  });

  test("is not kept of a call that breaks", async () => {
    const alice = randomUUID();
    const before = await files();
    const abort = new AbortController();
    async function* breaking(): AsyncGenerator<Part> {
      yield* parts("a.py", text("pri"));
      await until("its row is there", async () => (await rows(alice)) === 1);
      abort.abort();
    }
    await expect(as(alice).uploadFile(breaking(), { signal: abort.signal })).rejects.toThrow("aborted");
    await until("nothing is left", async () => (await rows(alice)) === 0);
    expect(await files()).toEqual(before);
  });

  test("is refused when the client would have too much, however many come at once", async () => {
    const alice = randomUUID();
    const chunk = new Uint8Array(megabyte);
    await all.db.query(sql`
      insert into scheduler.upload (upload_id, client_id, file_name, size, md5)
      select gen_random_uuid(), ${alice}, 'f', ${252 * megabyte}::int, ''
    `);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, async (_, index) => await upload(alice, `${index}.py`, chunk)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(4);
    expect(await rows(alice)).toBe(5);
    const bob = randomUUID();
    await all.db.query(sql`
      insert into scheduler.upload (upload_id, client_id, file_name, size, md5)
      select gen_random_uuid(), ${bob}, 'f', 1, '' from generate_series(1, 998)
    `);
    const ends = await Promise.allSettled(
      Array.from({ length: 8 }, async (_, index) => await upload(bob, `${index}.py`, text("1"))),
    );
    expect(ends.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    await upload(randomUUID(), "a.py", text("1"));
  });

  test("is checked when a task is submitted of it, but for whether it is a flow", async () => {
    const alice = randomUUID();
    const { uploadId } = await upload(alice, "a.waldiez", text("{}"));
    const rejected = { code: Code.InvalidArgument };
    for (const program of [
      { fileName: "a.txt", uploadId },
      { fileName: "a.py", uploadId, content: text("print()") },
    ]) {
      await expect(as(alice).submitTask({ program })).rejects.toMatchObject(rejected);
    }
    const { task } = await as(alice).submitTask({ program: { fileName: "a.waldiez", uploadId } });
    expect(task?.name).toBe("a.waldiez");
    const empty = await upload(alice, "a.py");
    const program = { fileName: "a.py", uploadId: empty.uploadId };
    await expect(as(alice).submitTask({ program })).rejects.toMatchObject(rejected);
  });

  /** Makes all of a client's files older. */
  async function age(clientId: string, hours: number): Promise<void> {
    await all.db.query(sql`
      update scheduler.upload set created_at = created_at - ${hours}::int * interval '1 hour'
      where client_id = ${clientId}
    `);
  }

  test("is gone after a day, and a submission of it is answered again all the same", async () => {
    const alice = randomUUID();
    const kept = await upload(alice, "a.py", text("print()"));
    const request = { program: { fileName: "a.py", uploadId: kept.uploadId }, requestId: "r1" };
    const { task } = await as(alice).submitTask(request);
    await age(alice, 23);
    expect((await as(alice).getUpload({ fileName: "a.py" })).upload?.uploadId).toBe(kept.uploadId);
    await age(alice, 2);
    await expect(as(alice).getUpload({ fileName: "a.py" })).rejects.toMatchObject({ code: Code.NotFound });
    await until("row and file are gone", async () => {
      return (await rows(alice)) === 0 && !(await files()).includes(kept.uploadId);
    });
    expect((await as(alice).submitTask(request)).task?.taskId).toBe(task?.taskId);
    const differs = as(alice).submitTask({
      ...request,
      program: { fileName: "a.py", uploadId: randomUUID() },
    });
    await expect(differs).rejects.toMatchObject({ code: Code.AlreadyExists });
    const again = as(alice).submitTask({ ...request, requestId: "r2" });
    await expect(again).rejects.toMatchObject({ code: Code.NotFound });
    expect(await contentOf(task?.taskId ?? "")).toBe("print()");
  });

  test("that a dead process was receiving goes after an hour, with what was stored of it", async () => {
    const alice = randomUUID();
    const kept = await upload(alice, "a.py", text("print()"));
    await all.db.query(sql`update scheduler.upload set size = null, md5 = null where client_id = ${alice}`);
    await expect(as(alice).getUpload({ fileName: "a.py" })).rejects.toMatchObject({ code: Code.NotFound });
    await age(alice, 2);
    await until("row and file are gone", async () => {
      return (await rows(alice)) === 0 && !(await files()).includes(kept.uploadId);
    });
  });

  test("is a schedule's own from when that is stored", async () => {
    const alice = randomUUID();
    const kept = await upload(alice, "a.py", text("print('s')"));
    const target = (uploadId: string) => {
      const program = { fileName: "a.py", uploadId };
      return { kind: { case: "task", value: { program, labels: { of: "upload" } } } } as const;
    };
    const timing = { kind: { case: "cron", value: "0 0 1 1 *" } } as const;
    const request = { schedule: { name: "s", timing, target: target(kept.uploadId) }, requestId: "c" };
    const { schedule } = await as(alice).createSchedule(request);
    expect(schedule?.target?.kind.value).toMatchObject({
      program: { uploadId: "", content: text("print('s')") },
    });
    const missing = {
      ...request,
      schedule: { ...request.schedule, target: target(randomUUID()) },
      requestId: "d",
    };
    await expect(as(alice).createSchedule(missing)).rejects.toMatchObject({ code: Code.NotFound });
    await age(alice, 25);
    await until("the upload is gone", async () => (await rows(alice)) === 0);
    const scheduleId = schedule?.scheduleId ?? "";
    expect((await as(alice).createSchedule(request)).schedule?.scheduleId).toBe(scheduleId);
    const { run } = await as(alice).triggerSchedule({ scheduleId });
    expect(await contentOf(run?.runId ?? "")).toBe("print('s')");
    expect(run?.labels).toEqual({ of: "upload" });
    const other = await upload(alice, "b.py", text("print('b')"));
    await as(alice).updateSchedule({
      schedule: { scheduleId, target: target(other.uploadId) },
      updateMask: { paths: ["target"] },
    });
    const next = await as(alice).triggerSchedule({ scheduleId });
    expect(await contentOf(next.run?.runId ?? "")).toBe("print('b')");
  });
});
