import type { ExecuteRequest } from "../../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type {
  GetTaskStatesRequest,
  GetTaskStatesResponse,
} from "../../../gen/antiphon/internal/v1/task_state_service_pb.ts";
import type {
  HeartbeatRequest,
  HeartbeatResponse,
} from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { parseTaskId } from "../../../lib/ids/task-id.ts";
import { isFinalRun } from "../../../services/scheduler/core/task-state.ts";
import type { CallWatcher } from "../processes/network.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { Ledger } from "./ledger.ts";
import type { Violations } from "./violations.ts";
import type { WorkChecks } from "./work-checks.ts";

/** Compares answers with what is committed when they arrive. */
export class CallChecks implements CallWatcher {
  readonly #ledger: Ledger;
  readonly #work: WorkChecks;
  readonly #violations: Violations;

  constructor({
    ledger,
    work,
    violations,
  }: {
    readonly ledger: Ledger;
    readonly work: WorkChecks;
    readonly violations: Violations;
  }) {
    this.#ledger = ledger;
    this.#work = work;
    this.#violations = violations;
  }

  sent(method: string, from: SimulatedProcess, request: () => unknown): void {
    if (method === "Heartbeat") this.#work.beats(from, request() as HeartbeatRequest);
  }

  answered({ method, from, sentMs, request, answer }: Parameters<CallWatcher["answered"]>[0]): void {
    if (method === "Heartbeat") {
      this.#work.heard(from, request() as HeartbeatRequest, answer as HeartbeatResponse, sentMs);
    } else if (method === "Execute") {
      this.executed(request() as ExecuteRequest);
    } else if (method === "GetTaskStates") {
      this.#seen(request() as GetTaskStatesRequest, answer as GetTaskStatesResponse, sentMs);
    }
  }

  /** What taskio is told of tasks must hold all that was committed when it asked. */
  #seen(
    { taskIds, knownRunSeqs }: GetTaskStatesRequest,
    { tasks }: GetTaskStatesResponse,
    sentMs: number,
  ): void {
    const told = new Map(tasks.map(({ taskId, runSeq }) => [taskId, runSeq]));
    for (const taskId of taskIds) {
      const committed = this.#ledger.seqAt(parseTaskId(taskId)?.runId ?? "", sentMs);
      const known = told.get(taskId) ?? knownRunSeqs[taskId] ?? 0;
      if (known >= committed) continue;
      const message = `taskio is told of ${taskId} up to fact ${known}, and ${committed} was committed before it asked`;
      this.#violations.report("stale answer", message);
    }
  }

  broken(method: string, to: SimulatedProcess, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#violations.report("defect", `${to.label} answers ${method} with INTERNAL: ${text}`);
  }

  /** A command was answered: its effect must be in history. */
  executed({ runId, requestId, command }: Pick<ExecuteRequest, "runId" | "requestId" | "command">): void {
    const run = this.#ledger.runs.get(runId);
    const lost = (what: string) => this.#violations.report("answered and lost", `${what} of run ${runId}`);
    switch (command.case) {
      case "submitTask":
      case "startRun":
        if (run === undefined) lost("the start");
        return;
      case "cancelRun":
        if (run === undefined || !(run.isCancelRequested || isFinalRun(run.state))) lost("the cancel");
        return;
      case "answerPrompt": {
        const prompt = this.#ledger.prompt(command.value.taskId, command.value.promptId);
        if (prompt?.answer?.requestId !== requestId) lost(`the answer to ${command.value.promptId}`);
        return;
      }
      default:
    }
  }
}
