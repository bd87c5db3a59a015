import { RunState } from "../gen/antiphon/scheduler/v1/run_pb.ts";
import { type Failure, TaskState } from "../gen/antiphon/scheduler/v1/task_pb.ts";
import { type ExitCode, exitCode } from "./exit-code.ts";
import { plainText } from "./plain-text.ts";

/** The exit code of a task that ended so. */
export function taskExitCode(state: TaskState, failure: Failure | undefined): ExitCode {
  if (state === TaskState.COMPLETED) return exitCode.ok;
  if (state === TaskState.CANCELLED) return exitCode.interrupted;
  return failure?.reason === "WALL_TIME_LIMIT" ? exitCode.timedOut : exitCode.failed;
}

/** The exit code of a run that ended so. */
export function runExitCode(state: RunState, failure: Failure | undefined): ExitCode {
  if (state === RunState.COMPLETED) return exitCode.ok;
  if (state === RunState.CANCELLED) return exitCode.interrupted;
  return failure?.reason === "WALL_TIME_LIMIT" ? exitCode.timedOut : exitCode.failed;
}

/** Why something failed, on one line: `the program ended with 3 (EXIT_CODE, node B)`; without the node where it is told below that node. */
export function failureText({ reason, message, nodeId }: Failure, below = "main"): string {
  const isKnown = nodeId === "" || nodeId === "main" || nodeId === below || nodeId.startsWith(`${below}.`);
  const where = isKnown ? "" : `, node ${nodeId}`;
  return plainText(`${message} (${reason}${where})`);
}
