import type { ShortHandler } from "./handler.ts";

/** Stands in for `program` on a worker that cannot isolate one: the task fails with the reason and what mends it, instead of waiting for ever. */
export function refusedProgram({
  reason,
  mend,
}: {
  readonly reason: string;
  readonly mend: string;
}): ShortHandler {
  const message = `this worker has no usable sandbox (${reason}); to mend it: ${mend}`;
  return { kind: "short", run: () => ({ kind: "failed", reason: "SANDBOX_UNAVAILABLE", message }) };
}
