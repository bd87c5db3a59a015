import { expect, test } from "vitest";
import { Semaphore } from "./semaphore.ts";

test("lets so many at once in, and the others in their order", async () => {
  const semaphore = new Semaphore(2);
  let inside = 0;
  let most = 0;
  const order: number[] = [];
  await Promise.all(
    [0, 1, 2, 3, 4, 5].map(async (number) => {
      using _place = await semaphore.place();
      inside += 1;
      most = Math.max(most, inside);
      order.push(number);
      await new Promise(setImmediate);
      inside -= 1;
    }),
  );
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5]);
});
