import { expect, test } from "vitest";
import { until } from "../../test/support/until.ts";
import { ListeningClock } from "./lease-watch.ts";

test("a listening clock goes on between ticks, by a tick and a half at most", async () => {
  const clock = new ListeningClock(10);
  const beganAt = performance.now();
  await until("40 ms have passed", () => performance.now() - beganAt > 40);
  expect(clock.now).toBe(15);
  clock.tick();
  expect(clock.now).toBeGreaterThanOrEqual(15);
  expect(clock.now).toBeLessThanOrEqual(30);
});
