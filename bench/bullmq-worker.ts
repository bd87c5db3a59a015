/** A BullMQ worker whose jobs do nothing. Tells its parent 0 when it is ready and then how many flows have ended. */
import { Worker } from "bullmq";

/** At which BullMQ was quickest on two cores, of 10, 50, 100, 200 and 500. */
const concurrency = 200;

/** News of a few milliseconds in one message, so that telling costs nothing. */
const tellEveryMs = 2;

const worker = new Worker(process.env["QUEUE"] ?? "", async () => null, {
  connection: { path: process.env["REDIS_URL"] ?? "" },
  concurrency,
  removeOnComplete: { count: 0 },
});
await worker.waitUntilReady();

let finished = 0;
worker.on("completed", ({ name }) => {
  if (name !== "last") return;
  if (finished === 0) {
    setTimeout(() => {
      process.send?.(finished);
      finished = 0;
    }, tellEveryMs);
  }
  finished += 1;
});
process.once("SIGTERM", () => process.exit(0));
process.send?.(0);
