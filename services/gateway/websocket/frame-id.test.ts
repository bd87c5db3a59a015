import { describe, expect, test } from "vitest";
import { frameId, parseFrameId } from "./frame-id.ts";

describe("a frame's id", () => {
  test("has two whole numbers, and says where the frame ends", () => {
    const place = { attempt: 2, seq: 17, offset: 5 };
    expect(frameId(place)).toBe("20000000017-5");
    expect(parseFrameId("20000000017-5")).toEqual(place);
  });

  test("grows from frame to frame, and from attempt to attempt", () => {
    const ids = [
      { attempt: 1, seq: 1, offset: 3 },
      { attempt: 1, seq: 1, offset: 20 },
      { attempt: 1, seq: 2, offset: 1 },
      { attempt: 1, seq: 2_147_483_647, offset: 1 },
      { attempt: 2, seq: 1, offset: 1 },
    ].map(frameId);
    const order = (id: string) => id.split("-").map(Number);
    const sorted = ids.toSorted((one, other) => {
      const [first, second] = [order(one), order(other)];
      return (first[0] ?? 0) - (second[0] ?? 0) || (first[1] ?? 0) - (second[1] ?? 0);
    });
    expect(sorted).toEqual(ids);
  });

  test.each([
    "",
    "2-17",
    "10000000000-1",
    "19999999999-1",
    "1000000001-1",
    "10000000001",
    "10000000001-x",
    "-",
  ])("is not %j", (text) => expect(parseFrameId(text)).toBeUndefined());
});
