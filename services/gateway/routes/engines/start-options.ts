import { z } from "zod";

/** What a run may be given besides its workflow. */
export const startOptions = {
  input: z
    .unknown()
    .optional()
    .describe("What templates find as `input`: any JSON, at most 64 KiB; `{}` when absent."),
  labels: z
    .record(z.string(), z.string())
    .nullish()
    .describe("To find the run by; at most 32, of at most 200 characters each."),
  priority: z
    .int()
    .min(-100)
    .max(100)
    .nullish()
    .describe("Which of the caller's tasks go first; higher does."),
};

interface StartOptions {
  readonly input?: unknown;
  readonly labels?: Record<string, string> | null | undefined;
  readonly priority?: number | null | undefined;
}

/** The same as the contract has it. */
export function startFields({ input, labels, priority }: StartOptions) {
  return {
    ...(input !== undefined && { input: new TextEncoder().encode(JSON.stringify(input)) }),
    labels: labels ?? {},
    priority: priority ?? 0,
  };
}
