import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { Broker, EntryId } from "../../../lib/broker/broker.ts";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { RedisBroker } from "../../../lib/broker/redis-broker.ts";
import { RedisServer } from "../../../lib/broker/redis-server.ts";

type Step = (broker: Broker, stream: string) => Promise<unknown>;

const small = fc.nat({ max: 5 });
const id = fc.tuple(small, small).map(([series, number]): EntryId => `${series}-${number}`);
const numbered = fc.record({
  series: fc.integer({ min: 1, max: 4 }),
  after: small,
  bodies: fc.array(fc.uint8Array({ maxLength: 4 }), { maxLength: 3 }),
});

/** What can be done to a numbered stream; both adapters name its entries alike. */
const step: fc.Arbitrary<Step> = fc.oneof(
  numbered.map(
    (append): Step =>
      (broker, stream) =>
        broker.appendNumbered({ stream, ...append }),
  ),
  numbered.map(
    (append): Step =>
      (broker, stream) =>
        broker.appendNumbered({ stream, ...append, after: 0 }),
  ),
  numbered.map(
    (append): Step =>
      (broker, stream) =>
        broker.replaceNumbered({ stream, ...append }),
  ),
  fc.array(id).map(
    (ids): Step =>
      (broker, stream) =>
        broker.remove(stream, ids),
  ),
  id.map(
    (below): Step =>
      (broker, stream) =>
        broker.trim(stream, below),
  ),
  fc.constant<Step>((broker, stream) => broker.drop([stream])),
);

test("memory and redis answer alike whatever is done to a numbered stream", async () => {
  const dataDirectory = await mkdtemp(join(tmpdir(), "antiphon-broker-test-"));
  await using server = await RedisServer.start({ dataDirectory });
  await using redis = await RedisBroker.open({ url: server.url });
  await using memory = new MemoryBroker();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const stream = `test:${(runs += 1)}`;
      const storyOf = async (broker: Broker): Promise<unknown[]> => {
        const story: unknown[] = [];
        for (const each of steps) {
          story.push(await each(broker, stream), await broker.lastId(stream));
          const entries = await broker.range(stream, { after: "0-0", count: 100 });
          story.push(entries.map((entry) => ({ ...entry, body: [...entry.body] })));
        }
        return story;
      };
      expect(await storyOf(memory)).toEqual(await storyOf(redis));
    }),
    { numRuns: 300 },
  );
  await rm(dataDirectory, { recursive: true });
});
