import { describe, expect, test } from "vitest";
import { servedDemands, workStreamOf } from "./work-stream.ts";

describe("workStreamOf", () => {
  test("names one stream for the same demands, in whatever order labels stand", () => {
    expect(workStreamOf("noop")).toBe("workflow:tasks");
    expect(workStreamOf("program", { stream: "mine" })).toBe("mine:program");
    const labels = { zone: "eu", gpu: "yes" };
    expect(workStreamOf("llm", { queue: "big", labels })).toBe(
      "workflow:tasks:queue:big:labels:gpu=yes,zone=eu:calls",
    );
    expect(workStreamOf("noop", { labels: { gpu: "yes", zone: "eu" } })).toBe(
      workStreamOf("noop", { labels }),
    );
    // A queue may have the name of a kind of handler.
    expect(workStreamOf("noop", { queue: "program" })).not.toBe(workStreamOf("program"));
  });
});

describe("servedDemands", () => {
  test("lists each queue with each part of the labels, what asks for most first", () => {
    expect(servedDemands({ queues: [""], labels: {} })).toEqual([{ queue: "", labels: {} }]);
    const served = servedDemands({ queues: ["", "gpu"], labels: { a: "1", b: "2" } });
    expect(served).toHaveLength(8);
    expect(served[0]).toEqual({ queue: "", labels: { a: "1", b: "2" } });
    expect(served.slice(-2)).toEqual([
      { queue: "", labels: {} },
      { queue: "gpu", labels: {} },
    ]);
  });
});
