import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PromptStateSchema } from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import { TaskState } from "../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { openSealed, sealingKeys } from "../../../lib/seal/seal.ts";
import { brokerKinds, clientOf, newsOf, TaskIOWorld } from "./taskio-world.ts";

type AttachInit = {
  request:
    | { case: "open"; value: { taskId: string } }
    | { case: "answer"; value: { promptId: string; text: string; requestId: string } };
};

describe.each(brokerKinds)("prompts on %s", (kind) => {
  let world: TaskIOWorld;
  beforeEach(async () => {
    world = await TaskIOWorld.open(kind);
  });
  afterEach(async () => {
    await world[Symbol.asyncDispose]();
  });

  /** Opens a prompt of a task. */
  async function open(
    taskId: string,
    promptId: string,
    { password = false, sealKey = new Uint8Array() }: { password?: boolean; sealKey?: Uint8Array } = {},
  ) {
    await world.scheduler.change(taskId, (state) => {
      state.state = TaskState.WAITING_FOR_INPUT;
      state.sealKey = Uint8Array.from(sealKey);
      state.prompts.push(
        create(PromptStateSchema, { prompt: { promptId, attempt: state.attempt, text: "?", password } }),
      );
    });
  }

  test("are told when they open and close, between the states", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    const news = newsOf(clientOf(running), taskId);
    expect((await news.next()).value).toMatchObject({ case: "snapshot", value: { openPrompts: [] } });
    await open(taskId, "p1");
    expect((await news.next()).value).toMatchObject({
      case: "promptOpened",
      value: { prompt: { promptId: "p1" } },
    });
    expect((await news.next()).value).toMatchObject({
      case: "stateChanged",
      value: { state: TaskState.WAITING_FOR_INPUT },
    });
    const late = newsOf(clientOf(running), taskId);
    expect((await late.next()).value).toMatchObject({
      case: "snapshot",
      value: { openPrompts: [{ promptId: "p1" }] },
    });
    await late.return(undefined);
    await world.scheduler.change(taskId, (state) => {
      for (const prompt of state.prompts) Object.assign(prompt, { closed: true, answeredBy: "alice" });
    });
    expect((await news.next()).value).toMatchObject({
      case: "promptClosed",
      value: { promptId: "p1", answeredBy: "alice" },
    });
    await news.return(undefined);
  });

  test("are seen by a token that may only read, and not answered by it, in a stream or without", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    await open(taskId, "p1");
    const reader = clientOf(running, { scopes: new Set(["read"]) });
    const requests = new Requests();
    const responses = reader.attach(requests)[Symbol.asyncIterator]();
    requests.push({ request: { case: "open", value: { taskId } } });
    await responses.next();
    const answer = { promptId: "p1", text: "yes", requestId: "r1" };
    requests.push({ request: { case: "answer", value: answer } });
    expect((await responses.next()).value).toMatchObject({
      response: { case: "refused", value: { promptId: "p1", reason: "MISSING_SCOPE" } },
    });
    const single = await reader.sendInput({ taskId, ...answer }).catch((error: unknown) => error);
    expect(fromConnectError(single).reason).toBe("MISSING_SCOPE");
    expect(world.scheduler.answers).toEqual([]);
    await responses.return?.(undefined);
  });

  test("are answered within an attached stream, and a refusal does not end it", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    await open(taskId, "p1");
    world.scheduler.refusals.push(undefined, new DomainError("PROMPT_CLOSED", "answered already"));
    const requests = new Requests();
    requests.push({ request: { case: "open", value: { taskId } } });
    requests.push({ request: { case: "answer", value: { promptId: "p1", text: "Ada", requestId: "a" } } });
    requests.push({ request: { case: "answer", value: { promptId: "p1", text: "Bob", requestId: "b" } } });
    requests.push({ request: { case: "answer", value: { promptId: "nope", text: "", requestId: "c" } } });
    const replies: unknown[] = [];
    const news: unknown[] = [];
    for await (const { response } of clientOf(running).attach(requests)) {
      if (response.case === "news") news.push(response.value.news.case);
      else
        replies.push([
          response.case,
          response.value?.requestId,
          response.case === "refused" && response.value.reason,
        ]);
      if (replies.length === 3 && !news.includes("stateChanged")) await world.scheduler.end(taskId, 0);
    }
    expect(replies).toEqual([
      ["accepted", "a", false],
      ["refused", "b", "PROMPT_CLOSED"],
      ["refused", "c", "PROMPT_NOT_FOUND"],
    ]);
    expect(news).toEqual(["snapshot", "promptClosed", "stateChanged", "end"]);
    expect(world.scheduler.answers[0]).toMatchObject({
      clientId: "alice",
      admin: false,
      requestId: "a",
      answer: { value: "Ada" },
    });
  });

  test("of a password are sealed to the worker, so that the answer is nowhere else", async () => {
    const running = await world.start();
    const keys = sealingKeys();
    const taskId = world.scheduler.task();
    await open(taskId, "p1", { password: true, sealKey: keys.publicKey });
    await clientOf(running).sendInput({ taskId, promptId: "p1", text: "correct horse battery" });
    const [sent] = world.scheduler.answers;
    if (sent?.answer.case !== "sealed") throw new Error("the answer is not sealed");
    expect(openSealed(sent.answer.value, { keys, taskId, attempt: 1, promptId: "p1" })).toBe(
      "correct horse battery",
    );
    expect(sent.requestId).not.toBe("");
    expect(await everythingIn(world)).not.toContain("correct horse");
  });

  test("of a password whose worker was replaced meanwhile are sealed once more", async () => {
    const running = await world.start();
    const [before, after] = [sealingKeys(), sealingKeys()];
    const taskId = world.scheduler.task();
    await open(taskId, "p1", { password: true, sealKey: before.publicKey });
    world.scheduler.onAnswer = () => {
      world.scheduler.onAnswer = () => undefined;
      world.scheduler.setSealKey(taskId, after.publicKey);
    };
    world.scheduler.refusals.push(new DomainError("ANSWER_UNDELIVERED", "no receipt"));
    await clientOf(running).sendInput({ taskId, promptId: "p1", text: "secret", requestId: "r" });
    expect(world.scheduler.answers.map(({ requestId }) => requestId)).toEqual(["r", "r"]);
    const last = world.scheduler.answers[1];
    if (last?.answer.case !== "sealed") throw new Error("the answer is not sealed");
    expect(openSealed(last.answer.value, { keys: after, taskId, attempt: 1, promptId: "p1" })).toBe("secret");
  });

  test("of a password are refused when no worker is there to be given the answer", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task();
    await open(taskId, "p1", { password: true });
    const refused = clientOf(running).sendInput({ taskId, promptId: "p1", text: "secret" });
    await expect(refused).rejects.toMatchObject({ code: Code.Unavailable });
    expect(world.scheduler.answers).toEqual([]);
  });

  test("and transcripts of another client are not found, except by an admin", async () => {
    const running = await world.start();
    const taskId = world.scheduler.task("bob");
    await open(taskId, "p1");
    const alice = clientOf(running);
    const requests = new Requests();
    requests.push({ request: { case: "open", value: { taskId } } });
    const calls = [
      alice.sendInput({ taskId, promptId: "p1", text: "x" }),
      alice.getTranscript({ taskId }),
      newsOf(alice, taskId).next(),
      alice.attach(requests)[Symbol.asyncIterator]().next(),
      alice.getTranscript({ taskId: "00000000-0000-0000-0000-000000000000" }),
      alice.getTranscript({ taskId: "no id at all" }),
    ];
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === "fulfilled") throw new Error("another client's task was found");
      expect(fromConnectError(outcome.reason)).toMatchObject({
        reason: "TASK_NOT_FOUND",
        code: Code.NotFound,
      });
    }
    const admin = clientOf(running, { clientId: "root", audience: "admin-api" });
    await admin.sendInput({ taskId, promptId: "p1", text: "x" });
    expect(world.scheduler.answers).toMatchObject([{ clientId: "root", admin: true }]);
    expect((await admin.getTranscript({ taskId })).snapshot?.openPrompts).toHaveLength(1);
    const workers = clientOf(running, { audience: "workers-api" });
    await expect(workers.getTranscript({ taskId })).rejects.toMatchObject({ code: Code.PermissionDenied });
  });
});

/** Requests of a stream that stays open. */
class Requests implements AsyncIterable<AttachInit> {
  readonly #waiting: AttachInit[] = [];
  #pushed = Promise.withResolvers<void>();

  push(request: AttachInit): void {
    this.#waiting.push(request);
    this.#pushed.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<AttachInit> {
    for (;;) {
      await this.#pushed.promise;
      this.#pushed = Promise.withResolvers();
      yield* this.#waiting.splice(0);
    }
  }
}

/** All rows of taskio's tables and all entries of the broker's streams, as text. */
async function everythingIn({ databaseUrl, broker }: TaskIOWorld): Promise<string> {
  await using db = new Database(databaseUrl);
  const texts: string[] = [];
  for (const text of [
    "select task_id, attempt, seq, encode(body, 'escape') as body from taskio.transcript_entry",
    "select * from taskio.transcript",
  ]) {
    texts.push(JSON.stringify(await db.query({ text, values: [] })));
  }
  for await (const stream of broker.streams("")) {
    const entries = await broker.range(stream, { after: "0-0", count: 10_000 });
    texts.push(...entries.map(({ body }) => Buffer.from(body).toString("latin1")));
  }
  return texts.join("\n");
}
