import { createHash } from "node:crypto";
import { z } from "zod";
import { delay } from "../../../lib/async/delay.ts";
import type { LeasedHandler } from "./handler.ts";
import { handlerConfig } from "./handler-config.ts";

const unreliableConfig = z.strictObject({
  failure_rate: z.number().min(0).max(1).optional(),
  fail_times: z.int().min(0).max(1_000).optional(),
  latency_ms: z.int().min(0).max(60_000).default(0),
  message: z.string().max(1_000).default("it failed, as an unreliable handler does"),
  non_retryable: z.boolean().default(false),
});

/**
 * Fails now and then, for trying out what a workflow does about it. Whether an
 * attempt fails follows from the task's id and the attempt's number alone.
 */
export const unreliableHandler: LeasedHandler = {
  kind: "leased",
  slots: "call",
  run: async ({ assignment, signal, started }) => {
    const read = handlerConfig(unreliableConfig, assignment.config);
    if (read.kind === "failed") return read;
    const {
      fail_times: failTimes,
      latency_ms: latencyMs,
      message,
      non_retryable: nonRetryable,
    } = read.config;
    const { taskId, attempt } = assignment;
    started();
    await delay(latencyMs, signal);
    if (signal.aborted) return { kind: "cancelled" };
    const rate = read.config.failure_rate ?? (failTimes === undefined ? 0.5 : 0);
    if (attempt <= (failTimes ?? 0) || drawn(taskId, attempt) < rate)
      return { kind: "failed", reason: "SIMULATED_FAILURE", message, nonRetryable };
    return { kind: "completed", output: Buffer.from(JSON.stringify({ attempt })) };
  },
};

/** A number from 0 to below 1, spread evenly over attempts. */
function drawn(taskId: string, attempt: number): number {
  return createHash("sha256").update(`${taskId}#${attempt}`).digest().readUInt32BE() / 2 ** 32;
}
