import { describe, expect, test } from "vitest";
import { Bell } from "./bell.ts";

const never = new AbortController().signal;

describe("a bell", () => {
  test("keeps one ring for who waits later", async () => {
    const bell = new Bell();
    bell.ring();
    bell.ring();
    await bell.heard(never);
    const outcome = await Promise.race([bell.heard(never).then(() => "heard"), Promise.resolve("silent")]);
    expect(outcome).toBe("silent");
  });

  test("wakes who waits, at a ring, at an abort, or after a time", async () => {
    const bell = new Bell();
    const ringing = bell.heard(never);
    bell.ring();
    await expect(ringing).resolves.toBeUndefined();
    const controller = new AbortController();
    const aborting = bell.heard(controller.signal);
    controller.abort();
    await expect(aborting).resolves.toBeUndefined();
    await expect(bell.heard(never, 1)).resolves.toBeUndefined();
  });
});
