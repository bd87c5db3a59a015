import { randomUUID } from "node:crypto";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { ErrorInfoSchema } from "../../../gen/google/rpc/error_details_pb.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { sql } from "../../../lib/postgres/sql.ts";
import { until } from "../../support/until.ts";
import { type Replica, type World, world } from "./scheduler-world.ts";

const program = { fileName: "a.py", content: new TextEncoder().encode("print()") };

describe("a limited submission", () => {
  let all: World;
  let first: Replica;
  let second: Replica;

  beforeAll(async () => {
    all = await world("memory");
    first = await all.replica();
    second = await all.replica();
    await until("both own partitions", async () => {
      const rows = await all.db.query(sql`
        select owner_incarnation from scheduler.partition group by owner_incarnation
      `);
      return rows.length === 2;
    });
  });
  afterAll(async () => await all[Symbol.asyncDispose]());

  /** A client of its own for each test, at either replica. */
  function someone(clientId: string = randomUUID()) {
    const clients = [first, second].map((replica) =>
      createClient(SchedulerService, replica.as(`tasks-api/${clientId}`)),
    );
    const [client, other] = clients;
    if (client === undefined || other === undefined) throw new Error("there are two replicas");
    return { clientId, client, other, clients };
  }

  const reasonOf = (error: unknown) => {
    const [info] = (error as ConnectError).findDetails(ErrorInfoSchema);
    return { reason: info?.reason, metadata: info?.metadata };
  };

  async function reservations(clientId: string): Promise<number> {
    const rows = await all.db.query(sql`
      select run_id from scheduler.task_reservation where client_id = ${clientId}
    `);
    return rows.length;
  }

  test("lets in exactly as many as are allowed, however many come at once, by two replicas", async () => {
    const { clients, client } = someone();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, async (_, index) => {
        return await clients[index % 2]?.submitTask({ program, maxActive: 5, requestId: `r${index}` });
      }),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(5);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      expect(outcome.reason).toMatchObject({ code: Code.ResourceExhausted });
      expect(reasonOf(outcome.reason)).toEqual({ reason: "TASK_LIMIT", metadata: { limit: "5" } });
    }
    expect((await client.countTasks({})).count).toBe(5n);
  });

  test("is let in when another has ended or was deleted", async () => {
    const { client, other } = someone();
    const one = await client.submitTask({ program, maxActive: 1 });
    await expect(other.submitTask({ program, maxActive: 1 })).rejects.toMatchObject({
      code: Code.ResourceExhausted,
    });
    await client.cancelTask({ taskId: one.task?.taskId ?? "" });
    const two = await other.submitTask({ program, maxActive: 1 });
    await expect(client.submitTask({ program, maxActive: 1 })).rejects.toThrow("1 tasks have not ended");
    expect((await client.submitTask({ program, maxActive: 2 })).task?.taskId).not.toBe(two.task?.taskId);
    await client.submitTask({ program });
  });

  test("is not counted twice when it is repeated, and answered the same, also while there is no place", async () => {
    const { clients, client, other } = someone();
    const request = { program, maxActive: 1, requestId: "same", dedupeKey: "k" };
    const answers = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => await clients[index % 2]?.submitTask(request)),
    );
    expect(new Set(answers.map((answer) => answer?.task?.taskId)).size).toBe(1);
    expect((await other.submitTask(request)).task?.taskId).toBe(answers[0]?.task?.taskId);
    const labelled = { program, requestId: "labelled", labels: { a: "1", b: "2" } };
    const { task } = await client.submitTask(labelled);
    const again = await other.submitTask({ ...labelled, labels: { b: "2", a: "1" } });
    expect(again.task?.taskId).toBe(task?.taskId);
    const differs = client.submitTask({ ...request, dedupeKey: "other" });
    await expect(differs).rejects.toMatchObject({ code: Code.AlreadyExists });
  });

  test("is refused while one with its key has not ended, naming that", async () => {
    const { clients, client, other } = someone();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, async (_, index) => {
        return await clients[index % 2]?.submitTask({ program, dedupeKey: "flow" });
      }),
    );
    const taken = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(taken).toHaveLength(1);
    const taskId = taken[0]?.task?.taskId ?? "";
    const refused = await other.submitTask({ program, dedupeKey: "flow" }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: Code.FailedPrecondition });
    expect(reasonOf(refused)).toEqual({
      reason: "TASK_ACTIVE",
      metadata: { task_id: taskId, state: "queued" },
    });
    await other.submitTask({ program, dedupeKey: "another" });
    await someone().client.submitTask({ program, dedupeKey: "flow" });
    await client.cancelTask({ taskId });
    expect((await other.submitTask({ program, dedupeKey: "flow" })).task?.taskId).not.toBe(taskId);
  });

  test("leaves nothing once its task has ended", async () => {
    const { clientId, client } = someone();
    const { task } = await client.submitTask({ program, dedupeKey: "k", maxActive: 3 });
    expect(await reservations(clientId)).toBe(1);
    await client.cancelTask({ taskId: task?.taskId ?? "" });
    await until("its place is given back", async () => (await reservations(clientId)) === 0);
  });

  /** A place as an owner leaves it that died before it began the run. */
  async function abandon(clientId: string, { epochsAgo }: { readonly epochsAgo: number }): Promise<void> {
    const runId = derivedUuid("run", clientId, randomUUID());
    await all.db.query(sql`
      insert into scheduler.task_reservation (run_id, client_id, dedupe_key, partition, epoch, token)
      select ${runId}::uuid, ${clientId}, 'k', partition, epoch - ${epochsAgo}::int, ${randomUUID()}::uuid
      from scheduler.partition
      where partition = ${partitionOf(runId)}
    `);
  }

  test("finds places of dead owners free", async () => {
    const { clientId, client } = someone();
    for (let count = 0; count < 3; count += 1) await abandon(clientId, { epochsAgo: 1 });
    await client.submitTask({ program, maxActive: 1, dedupeKey: "k" });
    await until("theirs are removed", async () => (await reservations(clientId)) === 1);
    expect((await client.countTasks({})).count).toBe(1n);
  });

  test("finds places free that were taken and not used, by and by", async () => {
    const { clientId, client } = someone();
    await abandon(clientId, { epochsAgo: 0 });
    await until("it is let in", async () => {
      return await client.submitTask({ program, maxActive: 1 }).then(
        () => true,
        (error: unknown) => {
          expect(reasonOf(error)).toMatchObject({ reason: "TASK_LIMIT" });
          return false;
        },
      );
    });
    expect((await client.countTasks({})).count).toBe(1n);
  });

  test("is let in at most as often as allowed while partitions change hands", async () => {
    const { clients, client } = someone();
    const submit = async (requestId: string) => {
      const replica = clients[requestId.length % 2];
      await replica?.submitTask({ program, maxActive: 4, requestId }, { timeoutMs: 3_000 });
    };
    for (let round = 0; round < 8; round += 1) {
      const unrest = all.db.query(sql`
        update scheduler.partition set epoch = epoch + 1 where partition % 2 = ${round % 2}
      `);
      const requestIds = Array.from({ length: 8 }, (_, index) => `${"u".repeat(index)}${round}`);
      await Promise.allSettled([unrest, ...requestIds.map(submit)]);
      expect(Number((await client.countTasks({})).count)).toBeLessThanOrEqual(4);
    }
    await until("as many as are allowed are let in", async () => {
      await Promise.allSettled(["last", "lasts", "final", "finals"].map(submit));
      return (await client.countTasks({})).count === 4n;
    });
  });
});
