import { expect, test } from "vitest";
import { aNode, aStart, at, signalled } from "../../test/support/a-run.ts";
import type { Fact } from "./core/event.ts";
import { encodeEvent } from "./event-codec.ts";
import { shownDetails } from "./event-details.ts";

const shown = (fact: Fact) => shownDetails(encodeEvent("run", { ...fact, seq: 1, at }));

test("shows where a run comes from, and of what it keeps the nodes alone", () => {
  const details = shown(
    aStart([aNode("A")], {
      labels: { teamName: "x" },
      parent: { runId: "p", nodeId: "calls", attempt: 2, depth: 1 },
      scheduledAt: "2026-01-01T00:00:00Z",
      rerunOf: "r",
      kept: [
        {
          nodeId: "A",
          output: "large",
          files: [],
          prompts: [
            {
              promptId: "p",
              attempt: 1,
              text: "?",
              password: false,
              openedAt: "2026-01-01",
              answer: "secret",
            },
          ],
        },
      ],
    }),
  );
  expect(details).toEqual({
    client_id: "alice",
    request_id: "r1",
    input: {},
    labels: { teamName: "x" },
    parent: { run_id: "p", node_id: "calls", attempt: 2, depth: 1 },
    scheduled_at: "2026-01-01T00:00:00Z",
    rerun_of: "r",
    kept: ["A"],
  });
});

test("shows a signal with its payload as it was sent", () => {
  expect(shown(signalled("paid", { orderId: [{ innerKey: 1 }] }))).toEqual({
    name: "paid",
    payload: { orderId: [{ innerKey: 1 }] },
    client_id: "bob",
    request_id: "s1",
  });
});

test("shows how an attempt ended, and not by which right", () => {
  expect(
    shown({
      type: "task_ended",
      nodeId: "A",
      attempt: 1,
      report: 3,
      lease: { workerId: "w", incarnation: "i", token: "t", sealKey: "k" },
      lastSeq: 7,
      files: [{ path: "a/B.txt", size: 1 }],
      outcome: { kind: "completed", output: { userKey: null } },
    }),
  ).toEqual({
    lease: { worker_id: "w" },
    last_seq: 7,
    files: [{ path: "a/B.txt", size: 1 }],
    outcome: { kind: "completed", output: { userKey: null } },
  });
});
