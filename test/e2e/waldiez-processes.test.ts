/*
 * What went wrong with the Waldiez runner when its processes came late, died, or
 * said too much, and does not here. The numbers are those of the study of it; the
 * others have their tests in waldiez-holes.test.ts. Each service is a process of
 * its own.
 */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { freePort, startServices } from "../support/antiphon-processes.ts";
import { freshDatabase } from "../support/fresh-database.ts";
import { startRedis } from "../support/start-redis.ts";
import { until } from "../support/until.ts";
import {
  type Answered,
  type Calls,
  callsWith,
  chatFlow,
  clientFor,
  flowForm,
} from "../support/waldiez-client.ts";

/** How long something may take on a slow machine. */
const longMs = 120_000;

interface Task {
  readonly taskId: string;
  readonly state: string;
  readonly attempt?: number;
  readonly startedAt?: string;
  readonly endedAt?: string;
}

/** Calls a procedure of the scheduler, again for as long as it is told to come again; it must succeed. */
async function scheduler(calls: Calls, method: string, message: object): Promise<{ readonly task: Task }> {
  const path = `/antiphon.scheduler.v1.SchedulerService/${method}`;
  const call = async () => {
    const answer = await calls("POST", path, JSON.stringify(message));
    return answer.status !== 503 && answer;
  };
  const { status, json } = await until(`${method} is answered`, call, longMs);
  expect({ status, json }).toMatchObject({ status: 200 });
  return json;
}

async function submitted(calls: Calls, source: string): Promise<string> {
  const program = { fileName: "a.py", content: Buffer.from(source).toString("base64") };
  return (await scheduler(calls, "SubmitTask", { program, requestId: randomUUID() })).task.taskId;
}

async function taskOf(calls: Calls, taskId: string): Promise<Task> {
  return (await scheduler(calls, "GetTask", { taskId })).task;
}

async function ended(calls: Calls, taskId: string): Promise<Task> {
  const over = async () => {
    const task = await taskOf(calls, taskId);
    return task.endedAt !== undefined && task;
  };
  return await until(`task ${taskId} has ended`, over, longMs);
}

test(
  "2.12: no password, secret or token is in any line that is written at whatever level, at work and in an outage",
  async () => {
    const secrets = {
      database: "pw-of-the-database",
      redis: "pw-of-redis",
      verifyHook: "secret-of-the-verify-hook",
      permissionHook: "secret-of-the-permission-hook",
      model: "sk-of-the-model",
    };
    await using database = await freshDatabase();
    await using redis = await startRedis({ port: await freePort(), password: secrets.redis });
    const databaseUrl = database.url.replace(/^(\w+:\/\/\w+)(:[^@/]*)?@/, `$1:${secrets.database}@`);
    expect(databaseUrl).toContain(secrets.database);
    const variables = {
      LOG_LEVEL: "trace",
      DATABASE_URL: databaseUrl,
      REDIS_URL: redis.url,
      FEDERATION_ALLOW_HTTP: "true",
      EXTERNAL_AUTH_VERIFY_URL: `http://127.0.0.1:${await freePort()}/verify`,
      EXTERNAL_AUTH_SECRET: secrets.verifyHook,
      TASK_PERMISSION_VERIFY_URL: `http://127.0.0.1:${await freePort()}/permit`,
      TASK_PERMISSION_SECRET: secrets.permissionHook,
      LLM_BASE_URL: "http://127.0.0.1:9/v1",
      LLM_API_KEY: secrets.model,
    };
    let written = "";
    const onOutput = (chunk: Buffer) => {
      written += chunk.toString();
    };
    const issued: string[] = [];
    {
      await using antiphon = await startServices({ variables, onOutput });
      for (const client of antiphon.clients) {
        const body = new URLSearchParams({
          client_id: client.client_id,
          client_secret: client.client_secret,
        });
        const { json } = await callsWith(antiphon.url, undefined)("POST", "/auth/token", body);
        issued.push(client.client_secret, json.access_token, json.refresh_token);
      }
      const calls = await clientFor(antiphon, "tasks-api");
      // A token of nobody's here is shown to the hook, which does not answer.
      await callsWith(antiphon.url, "a-token-of-nobodys")("GET", "/api/v1/tasks");
      expect((await ended(calls, await submitted(calls, "print('done')"))).state).toBe(
        "TASK_STATE_COMPLETED",
      );
      await redis.restart();
      expect((await ended(calls, await submitted(calls, "print('done')"))).state).toBe(
        "TASK_STATE_COMPLETED",
      );
      for (const service of antiphon.processes.keys()) expect(written).toContain(`"service":"${service}"`);
    }
    expect(written).toMatch(/"level":[12]0,/);
    const nowhere = databaseUrl.replace(/\/[^/?]*\?/, "/nowhere?");
    expect(nowhere).not.toBe(databaseUrl);
    const failed = startServices({ variables: { ...variables, DATABASE_URL: nowhere }, onOutput });
    await expect(failed).rejects.toThrow("ended with");
    const told = [...Object.values(secrets), ...issued, "a-token-of-nobodys", "that-all-services-share"];
    expect(told).not.toContain(undefined);
    expect(told.filter((secret) => written.includes(secret))).toEqual([]);
  },
  3 * longMs,
);

test(
  "3.21: what is submitted before any worker has ever started is carried out when one starts",
  async () => {
    await using antiphon = await startServices({ startedLater: ["worker"] });
    const calls = await clientFor(antiphon, "tasks-api");
    const ids = await Promise.all([1, 2, 3].map(async (n) => await submitted(calls, `print(${n})`)));
    for (const id of ids) expect(await taskOf(calls, id)).not.toHaveProperty("startedAt");
    await antiphon.start("worker");
    for (const id of ids) expect((await ended(calls, id)).state).toBe("TASK_STATE_COMPLETED");
  },
  3 * longMs,
);

test(
  "3.23: a worker that is killed while it takes work, and an owner likewise, leave no lock behind",
  async () => {
    await using antiphon = await startServices();
    const calls = await clientFor(antiphon, "tasks-api");
    const ids: string[] = [];
    for (const victim of ["worker", "worker", "scheduler", "worker"]) {
      const more = await Promise.all(
        Array.from({ length: 6 }, async () => await submitted(calls, "print('x')")),
      );
      ids.push(...more);
      const taken = async () => {
        const tasks = await Promise.all(more.map(async (id) => await taskOf(calls, id)));
        return tasks.some(({ startedAt }) => startedAt !== undefined);
      };
      await until("the first of them is taken", taken, longMs);
      await antiphon.kill(victim, "SIGKILL");
      await antiphon.start(victim);
      await until("calls are answered", async () => (await calls("GET", "/status")).status === 200, longMs);
    }
    for (const id of ids) expect((await ended(calls, id)).state).toBe("TASK_STATE_COMPLETED");
    // Whoever comes afterwards is served, too.
    expect((await ended(calls, await submitted(calls, "print('y')"))).state).toBe("TASK_STATE_COMPLETED");
  },
  4 * longMs,
);

test(
  "calls that meet a scheduler that is killed are told to come again, and what they ask for is made once",
  async () => {
    await using antiphon = await startServices({ variables: { MAX_JOBS: "0" }, startedLater: ["worker"] });
    const calls = await clientFor(antiphon, "tasks-api");
    const flow = await chatFlow();
    const refusals: Refusal[] = [];
    /** Repeats a call until it succeeds; a broken connection counts as come again, too. */
    const persistently = async (what: string, call: () => Promise<Answered>): Promise<Answered> =>
      await until(
        what,
        async () => {
          const answer = await call().catch((error: unknown) => {
            // What fetch throws when there is no answer.
            if (error instanceof TypeError) return undefined;
            throw error;
          });
          if (answer?.status === 200) return answer;
          if (answer === undefined) return undefined;
          const { status, headers } = answer;
          refusals.push({ what, status, retryAfter: headers.get("retry-after") ?? "" });
          return undefined;
        },
        longMs,
      );
    const submit = async (index: number): Promise<string> => {
      const headers = { "idempotency-key": randomUUID() };
      const form = () => flowForm(flow, { name: `${index}.waldiez` });
      const call = async () => await calls("POST", "/api/v1/tasks", form(), headers);
      return (await persistently("submit", call)).json.id as string;
    };
    const submits = (from: number) => Promise.all(Array.from({ length: 20 }, (_, n) => submit(from + n)));
    const over = new AbortController();
    const look = async (path: string) => {
      while (!over.signal.aborted) await persistently(path, async () => await calls("GET", path));
    };
    const outage = async (): Promise<string[]> => {
      try {
        const early = submits(0);
        const someMade = until("a task is made", () => countOf(calls), longMs);
        await Promise.race([early, someMade]);
        await antiphon.kill("scheduler", "SIGKILL");
        const late = submits(20);
        const refused = () => refusals.some(({ what }) => what === "submit");
        const back = until("a submit is refused", refused, longMs).then(() => antiphon.start("scheduler"));
        const [earlyIds, lateIds] = await Promise.all([early, late, back, someMade]);
        return [...earlyIds, ...lateIds];
      } finally {
        over.abort();
      }
    };
    const [ids] = await Promise.all([
      outage(),
      ...["/api/v1/tasks", "/api/v1/tasks/count", "/status"].map(look),
    ]);
    expect(new Set(ids).size).toBe(40);
    expect(await countOf(calls)).toBe(40);
    const ofOtherForm = refusals.filter(
      ({ status, retryAfter }) => status !== 503 || !/^[1-9]\d*$/.test(retryAfter),
    );
    expect(ofOtherForm).toEqual([]);
  },
  4 * longMs,
);

/** How many tasks the caller has; undefined when that is not answered, or none. */
async function countOf(calls: Calls): Promise<number | undefined> {
  const { status, json } = await calls("GET", "/api/v1/tasks/count");
  return status === 200 && json.count > 0 ? json.count : undefined;
}

interface Refusal {
  readonly what: string;
  readonly status: number;
  readonly retryAfter: string;
}
