import type { Control } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import type { Entry, Publication } from "../../../lib/broker/broker.ts";
import { parseTaskId } from "../../../lib/ids/task-id.ts";
import { decodeControls } from "../../../lib/streams/control-stream.ts";
import { decodeReport } from "../../../lib/streams/report-stream.ts";
import { decodeAssignment } from "../../../lib/streams/work-stream.ts";
import { isFinalTask } from "../../../services/scheduler/core/task-state.ts";
import type { BrokerWatcher } from "../broker/simulated-broker.ts";
import type { SimulatedProcess } from "../world/simulated-process.ts";
import type { World } from "../world/world.ts";
import type { Ledger } from "./ledger.ts";
import type { Violations } from "./violations.ts";

/** What the names of streams begin with. */
export const workPrefix = "workflow:tasks";
export const reportPrefix = "antiphon:reports:";
export const controlPrefix = "antiphon:worker:";

/** How long after a report was committed the next one may be deleted that was read before. */
const turnMs = 1_000;

/** Compares what owners publish, and delete, with what is committed in that moment. */
export class BrokerChecks implements BrokerWatcher {
  readonly #world: World;
  readonly #ledger: Ledger;
  readonly #violations: Violations;

  constructor({
    world,
    ledger,
    violations,
  }: {
    readonly world: World;
    readonly ledger: Ledger;
    readonly violations: Violations;
  }) {
    this.#world = world;
    this.#ledger = ledger;
    this.#violations = violations;
  }

  published(publications: readonly Publication[], by: SimulatedProcess): void {
    if (by.kind !== "scheduler") return;
    for (const { stream, body } of publications) {
      if (stream.startsWith(workPrefix)) this.#assigned(body);
      if (!stream.startsWith(controlPrefix)) continue;
      for (const control of decodeControls(body).controls) this.#ordered(control);
    }
  }

  removing(stream: string, entries: readonly Entry[], by: SimulatedProcess): void {
    if (by.kind !== "scheduler" || !stream.startsWith(reportPrefix)) return;
    for (const { body } of entries) {
      const report = decodeReport(body);
      const { runId, taskId, attempt, leaseToken, number } = report;
      const nodeId = parseTaskId(taskId)?.nodeId ?? "";
      if (this.#ledger.isOver({ runId, nodeId, taskId, attempt, token: leaseToken })) continue;
      // A paused run begins nothing: what was handed out before is handed out anew when it goes on.
      const isPaused = this.#ledger.runs.get(runId)?.state === "paused";
      if (isPaused && report.fact.case === "leaseRequested") continue;
      // Nothing was begun of what nobody holds, so giving it back changes nothing.
      const isHeld = this.#ledger.attempt(taskId, attempt)?.lease !== undefined;
      if (!isHeld && report.fact.case === "released") continue;
      const { report: known = 0, reportedAtMs = Number.NEGATIVE_INFINITY } =
        this.#ledger.attempt(taskId, attempt) ?? {};
      // One that comes before its turn is not kept: its worker repeats it. It may have come just before its turn.
      if (number !== known + 1 || this.#world.nowMs - reportedAtMs < turnMs) continue;
      const message = `report ${number} of ${taskId}#${attempt} (${report.fact.case}) is deleted, and history knows ${known}`;
      this.#violations.report("report deleted", message);
    }
  }

  #assigned(body: Uint8Array): void {
    const { runId, taskId, nodeId, attempt } = decodeAssignment(body);
    const run = this.#ledger.runs.get(runId);
    const task = this.#ledger.task(runId, nodeId);
    const at = `${taskId}#${attempt}`;
    if (run === undefined || task === undefined || task.attempt < attempt) {
      const message = `${at} is handed out, and history knows attempt ${task?.attempt ?? "none"}`;
      this.#violations.report("published before commit", message);
      return;
    }
    const waited = run.plan.nodes[task.node]?.dependencies ?? [];
    const open = waited.filter((index) => !isFinalTask(run.tasks[index]?.state ?? "pending"));
    if (open.length > 0) {
      const names = open.map((index) => run.plan.nodes[index]?.id).join(", ");
      this.#violations.report("dispatched too early", `${at} is handed out, and ${names} is not over`);
    }
    const before = attempt === 1 ? undefined : this.#ledger.attempt(taskId, attempt - 1);
    const isOpenBefore =
      attempt > 1 &&
      (before === undefined ||
        (before.ended === undefined && before.lapsedAtMs === undefined && !before.isClosed));
    if (isOpenBefore)
      this.#violations.report("dispatched twice", `${at} is handed out, and ${attempt - 1} is not over`);
  }

  #ordered({ taskId, attempt, order }: Control): void {
    const place = parseTaskId(taskId);
    const known = this.#ledger.attempt(taskId, attempt);
    const say = (what: string) =>
      this.#violations.report("published before commit", `${taskId}#${attempt}: ${what}`);
    switch (order.case) {
      case "granted":
        if (known?.lease?.token !== order.value.leaseToken) say("granted, and not leased in history");
        return;
      case "confirmed":
        if ((known?.report ?? 0) < order.value.upTo) {
          say(`confirmed up to ${order.value.upTo}, and history knows ${known?.report ?? 0}`);
        }
        return;
      case "answered": {
        const { answer, promptId, requestId } = order.value;
        const prompt = this.#ledger.prompt(taskId, promptId);
        const isOther = prompt?.answer?.requestId !== requestId || prompt.answer.text !== answer.value;
        if (answer.case === "text" && isOther) say(`answered ${promptId}, and not so in history`);
        return;
      }
      case "cancelRequested": {
        const run = this.#ledger.runs.get(place?.runId ?? "");
        if (run?.isCancelRequested !== true && known?.isClosed !== true) say("cancelled, and not in history");
        return;
      }
      default:
    }
  }
}
