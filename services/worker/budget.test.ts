import { describe, expect, test } from "vitest";
import { Budget } from "./budget.ts";

const never = new AbortController().signal;

async function isWaiting(promise: Promise<void>): Promise<boolean> {
  await new Promise(setImmediate);
  return await Promise.race([promise.then(() => false), Promise.resolve(true)]);
}

describe("a budget", () => {
  test("lets producers wait until there is room in it and in the whole", async () => {
    const whole = new Budget(10);
    const part = new Budget(5, whole);
    const other = new Budget(10, whole);
    part.charge(5);
    other.charge(5);
    const waiting = part.untilRoom(never);
    expect(await isWaiting(waiting)).toBe(true);
    part.release(1);
    await waiting;
    other.charge(1);
    const held = part.untilRoom(never);
    expect(await isWaiting(held)).toBe(true);
    other.release(6);
    await held;
    expect(whole.usedBytes).toBe(4);
  });

  test("lets nobody wait whose attempt ends", async () => {
    const budget = new Budget(1);
    budget.charge(1);
    const controller = new AbortController();
    const waiting = budget.untilRoom(controller.signal);
    controller.abort();
    await expect(waiting).resolves.toBeUndefined();
  });
});
