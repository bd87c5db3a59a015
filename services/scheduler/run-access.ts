import { DomainError } from "../../lib/errors/domain-error.ts";
import type { Run } from "./core/run.ts";

/** Whether a caller sees a run: it is its own, or the caller is an admin. */
export function mayUse(
  run: Run | undefined,
  caller: { readonly clientId: string; readonly admin: boolean },
): run is Run {
  return run !== undefined && (caller.admin || run.clientId === caller.clientId);
}

/** What is said of a run that there is not, or that the caller may not see. */
export function runNotFound(runId: string): DomainError {
  return new DomainError("RUN_NOT_FOUND", "there is no such run", { run_id: runId.slice(0, 100) });
}
