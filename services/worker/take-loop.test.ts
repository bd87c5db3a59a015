import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { AssignmentSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { MemoryBroker } from "../../lib/broker/memory-broker.ts";
import { logger } from "../../lib/log/log.ts";
import { encodeAssignment } from "../../lib/streams/work-stream.ts";
import { Slots } from "./slots.ts";
import { takeLoop } from "./take-loop.ts";

const assignment = (taskId: string, handler: string): Uint8Array =>
  encodeAssignment(create(AssignmentSchema, { taskId, attempt: 1, handler }));

async function taking(
  broker: MemoryBroker,
  { slots, take }: { slots: Slots; take: (handler: string, taskId: string) => "taken" | "no_slot" },
) {
  const controller = new AbortController();
  const loop = takeLoop(
    {
      broker,
      streams: ["work"],
      streamOf: (handler, like) => `${like}:${handler}`,
      group: "g",
      workerId: "w",
      slots,
      held: { places: new Slots(100), take: ({ handler, taskId }) => take(handler, taskId) },
      log: logger("test", "silent"),
    },
    controller.signal,
  );
  return {
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await loop;
    },
  };
}

describe("takeLoop", () => {
  test("takes as many as there are free slots, and leaves the rest in the stream", async () => {
    await using broker = new MemoryBroker();
    const slots = new Slots(2);
    const taken: string[] = [];
    const bodies = ["1", "2", "3"].map((taskId) => ({ stream: "work", body: assignment(taskId, "slow") }));
    await broker.publish(bodies);
    await using _loop = await taking(broker, {
      slots,
      take: (_, taskId) => {
        slots.use();
        taken.push(taskId);
        return "taken";
      },
    });
    await expect.poll(() => taken).toEqual(["1", "2"]);
    expect(await broker.range("work", { after: "0-0", count: 9 })).toHaveLength(1);
    slots.release();
    await expect.poll(() => taken).toEqual(["1", "2", "3"]);
  });

  test("passes on what there is no slot for to its own stream, and survives what it does not understand", async () => {
    await using broker = new MemoryBroker();
    const taken: string[] = [];
    await using _loop = await taking(broker, {
      slots: new Slots(2),
      take: (handler, taskId) => {
        if (handler !== "noop") return "no_slot";
        taken.push(taskId);
        return "taken";
      },
    });
    await broker.publish([
      { stream: "work", body: assignment("p", "program") },
      { stream: "work", body: assignment("c", "llm") },
      { stream: "work", body: Buffer.from([255, 255]) },
      { stream: "work", body: assignment("n", "noop") },
    ]);
    await expect.poll(() => taken).toEqual(["n"]);
    for (const own of ["work:program", "work:llm"]) {
      await expect.poll(() => broker.range(own, { after: "0-0", count: 9 })).toHaveLength(1);
    }
  });
});
