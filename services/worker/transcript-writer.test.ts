import { describe, expect, test } from "vitest";
import { Output_Stream } from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { BrokerUnavailable } from "../../lib/broker/broker.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { decodeEntry, transcriptStreamOf } from "../../lib/streams/transcript-stream.ts";
import { Budget } from "./budget.ts";
import { type TranscriptOf, TranscriptWriter } from "./transcript-writer.ts";

const { STDOUT } = Output_Stream;
const stream = transcriptStreamOf("a-task");

/** A broker whose answers can get lost. */
class LossyBroker extends MemoryBroker {
  /** How many of the next appends fail: before they are done, or after. */
  failing: ("before" | "after")[] = [];

  override async appendNumbered(append: Parameters<MemoryBroker["appendNumbered"]>[0]) {
    const fails = this.failing.shift();
    if (fails === "before") throw new BrokerUnavailable("away");
    const outcome = await super.appendNumbered(append);
    if (fails === "after") throw new BrokerUnavailable("the answer is lost");
    return outcome;
  }
}

function writer(broker: MemoryBroker, of: Partial<TranscriptOf> = {}): TranscriptWriter {
  const workerBudget = new Budget(64_000_000);
  return new TranscriptWriter({
    broker,
    taskId: "a-task",
    attempt: 1,
    workerBudget,
    onSuperseded: () => undefined,
    ...of,
  });
}

async function left(
  broker: MemoryBroker,
): Promise<{ seq: number; kind: string | undefined; text: string }[]> {
  const entries = await broker.range(stream, { after: "0-0", count: 1_000 });
  return entries.map(({ body }) => {
    const { seq, body: said } = decodeEntry(body);
    return {
      seq,
      kind: said.case,
      text: said.case === "output" ? Buffer.from(said.value.data).toString() : "",
    };
  });
}

describe("a transcript writer", () => {
  test("ends with the number of the last entry once the broker has it, and finishes when all is archived", async () => {
    await using broker = new MemoryBroker();
    const transcript = writer(broker);
    await transcript.write(STDOUT, Buffer.from("hello"));
    expect(await transcript.end()).toBe(1);
    expect(await left(broker)).toEqual([{ seq: 1, kind: "output", text: "hello" }]);
    await broker.trim(stream, "1-2");
    await transcript.finished;
  });

  test("ends at 0 when nothing was said", async () => {
    await using broker = new MemoryBroker();
    const transcript = writer(broker);
    expect(await transcript.end()).toBe(0);
    await transcript.finished;
  });

  test.each(["before", "after"] as const)(
    "writes every entry once when an append fails %s it is done",
    async (when) => {
      await using broker = new LossyBroker();
      broker.failing = [when, when];
      const transcript = writer(broker);
      await transcript.write(STDOUT, Buffer.from("a"));
      await transcript.end();
      expect((await left(broker)).map(({ seq, text }) => [seq, text])).toEqual([[1, "a"]]);
      transcript.abandon();
      await transcript.finished;
    },
  );

  test("brings back what the broker lost and was not archived", async () => {
    await using broker = new MemoryBroker();
    const transcript = writer(broker);
    const progress = { $typeName: "antiphon.taskio.v1.Progress", fraction: 1, label: "" } as const;
    for (const _ of [1, 2, 3]) await transcript.say({ case: "progress", value: progress }, 1);
    expect(await transcript.end()).toBe(3);
    await broker.trim(stream, "1-2");
    await expect.poll(async () => (await left(broker)).map(({ seq }) => seq)).toEqual([2, 3]);
    await broker.drop([stream]);
    await expect.poll(async () => (await left(broker)).map(({ seq }) => seq).slice(-2)).toEqual([2, 3]);
    transcript.abandon();
    await transcript.finished;
  });

  test("says once where output is dropped, and still tells questions", async () => {
    await using broker = new MemoryBroker();
    const transcript = writer(broker, { outputLimitBytes: 10 });
    await transcript.write(STDOUT, Buffer.from("12345678"));
    await transcript.write(STDOUT, Buffer.from("9abcdef"));
    await transcript.write(STDOUT, Buffer.from("more"));
    const question = {
      $typeName: "antiphon.taskio.v1.PromptAsked" as const,
      promptId: "p",
      text: "?",
      password: false,
      choices: [],
    };
    transcript.sayUrgently({ case: "prompt", value: question }, 1);
    await transcript.end();
    const said = await left(broker);
    expect(said.map(({ kind }) => kind).filter((kind) => kind !== "output")).toEqual(["truncated", "prompt"]);
    expect(said.map(({ text }) => text).join("")).toBe("123456789a");
    transcript.abandon();
    await transcript.finished;
  });

  test("ends when a later attempt has written", async () => {
    await using broker = new MemoryBroker();
    await broker.appendNumbered({ stream, series: 2, after: 0, bodies: [new Uint8Array()] });
    const superseded = Promise.withResolvers<void>();
    const transcript = writer(broker, { onSuperseded: () => superseded.resolve() });
    await transcript.write(STDOUT, Buffer.from("late"));
    await superseded.promise;
    await expect(transcript.finished).resolves.toBeUndefined();
  });

  test("gives back its share of the worker's budget when it is abandoned", async () => {
    await using broker = new LossyBroker();
    broker.failing = Array.from({ length: 100 }, () => "before" as const);
    const workerBudget = new Budget(10);
    const transcript = writer(broker, { workerBudget });
    const written = transcript.write(STDOUT, Buffer.alloc(100));
    expect(workerBudget.usedBytes).toBeGreaterThan(0);
    transcript.abandon();
    await written;
    await transcript.finished;
    expect(workerBudget.usedBytes).toBe(0);
  });
});
