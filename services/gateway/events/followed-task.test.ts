import { type Client, createClient } from "@connectrpc/connect";
import { beforeEach, describe, expect, test } from "vitest";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { logger } from "../../../lib/log/log.ts";
import { publicAccessOf } from "../../../lib/rpc/access.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { aCaller } from "../../../test/support/a-caller.ts";
import { FakeTaskIO, printed } from "../../../test/support/fake-task-io.ts";
import { until } from "../../../test/support/until.ts";
import { cursorOf, followedTask } from "./followed-task.ts";

const never = new AbortController().signal;
const away = new DomainError("SERVICE_UNAVAILABLE", "away");

let taskio: FakeTaskIO;
let client: Client<typeof TaskIOService>;

beforeEach(() => {
  taskio = new FakeTaskIO("t1");
  const service = {
    access: publicAccessOf(TaskIOService),
    check: async () => undefined,
    routes: (router: Parameters<Parameters<typeof localTransport>[0]["routes"]>[0]) => {
      router.service(TaskIOService, taskio.service);
    },
  };
  const log = logger("gateway", "silent");
  client = createClient(
    TaskIOService,
    localTransport(service, { verify: async () => aCaller(), log, token: async () => "token" }),
  );
});

describe("a followed task", () => {
  test("is taken up after the last entry where its stream breaks, however often", async () => {
    taskio.say(printed("1"), printed("2"));
    const cursors: string[] = [];
    for await (const news of followedTask(client, { taskId: "t1", after: "1-1", signal: never })) {
      if (news.case !== "entry") continue;
      cursors.push(cursorOf(news.value));
      if (cursors.length === 4) taskio.end();
      else {
        taskio.interrupt(away);
        taskio.say(printed("more"));
      }
    }
    expect(cursors).toEqual(["1-2", "1-3", "1-4", "1-5"]);
    expect(taskio.opened).toEqual(["1-1", "1-2", "1-3", "1-4"]);
    await until("no stream is left", () => taskio.watching === 0);
  });

  test("rejects at once when it can not be watched at all", async () => {
    taskio.interruptNext(away);
    const news = followedTask(client, { taskId: "t1", after: "", signal: never });
    const refused = await news.next().catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("SERVICE_UNAVAILABLE");
  });

  test.each(["TOKEN_EXPIRED", "TOKEN_REVOKED", "TASK_NOT_FOUND"] as const)(
    "rejects when its stream ends with %s, which another one would not mend",
    async (reason) => {
      const news = followedTask(client, { taskId: "t1", after: "", signal: never });
      await news.next();
      taskio.interrupt(new DomainError(reason, "no more"));
      const refused = await news.next().catch((error: unknown) => error);
      expect(fromConnectError(refused).reason).toBe(reason);
    },
  );

  test("goes on with a fresh token when the one of its stream has expired, and rejects when that one has, too", async () => {
    const expired = new DomainError("TOKEN_EXPIRED", "no more");
    const following = { taskId: "t1", after: "", signal: never, hasFreshTokens: true };
    const news = followedTask(client, following);
    await news.next();
    taskio.interrupt(expired);
    await expect(news.next()).resolves.toMatchObject({ value: { case: "snapshot" } });
    taskio.interruptNext(expired);
    taskio.interrupt(expired);
    const refused = await news.next().catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("TOKEN_EXPIRED");
  });

  test("rejects when an outage lasts too long", async () => {
    const news = followedTask(client, { taskId: "t1", after: "", signal: never, giveUpAfterMs: 0 });
    await news.next();
    taskio.interrupt(away);
    const refused = await news.next().catch((error: unknown) => error);
    expect(fromConnectError(refused).reason).toBe("SERVICE_UNAVAILABLE");
  });

  test("is left without a trace, also when nobody is taking news", async () => {
    const left = followedTask(client, { taskId: "t1", after: "", signal: never });
    await left.next();
    await left.return(undefined);
    await until("the first stream is over", () => taskio.watching === 0);
    const over = new AbortController();
    await followedTask(client, { taskId: "t1", after: "", signal: over.signal }).next();
    expect(taskio.watching).toBe(1);
    over.abort();
    await until("the second stream is over", () => taskio.watching === 0);
  });
});
