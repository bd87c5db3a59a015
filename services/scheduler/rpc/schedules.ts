import { randomUUID } from "node:crypto";
import { clone, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type Schedule as ScheduleMessage,
  ScheduleSchema,
} from "../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  CreateScheduleRequestSchema,
  DeleteScheduleRequestSchema,
  type SchedulerService,
  TriggerScheduleRequestSchema,
  UpdateScheduleRequestSchema,
} from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../../lib/errors/domain-error.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { partitionOf } from "../../../lib/ids/partition.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import type { CommandRouter } from "../command-router.ts";
import { sha256 } from "../content-digest.ts";
import { runMessage } from "../run-message.ts";
import type { Schedule } from "../schedule.ts";
import { changedContent, newContent } from "../schedule-content.ts";
import { scheduleMessage, wholeScheduleMessage } from "../schedule-message.ts";
import { runOfTrigger, type ScheduleStarts, startCommand } from "../schedule-start.ts";
import type { Refused, ScheduleRequest, ScheduleStore } from "../schedule-store.ts";
import { sortedLabels } from "../sorted-labels.ts";
import { uploadNotFound } from "../uploads.ts";
import { type LoadRun, type Owning, owningOf, runFor } from "./access.ts";
import { pageSizeOf, pageToken, runPlace } from "./page-token.ts";
import { givenFaults, type SchedulePart, scheduleFaults, scheduleParts } from "./schedules-validate.ts";
import type { StartSource } from "./start-source.ts";
import { spending, type UsedUploads, withUpload } from "./uploaded-program.ts";
import { refuse, requestIdFaults } from "./validate.ts";

export interface SchedulesDeps {
  readonly store: ScheduleStore;
  readonly starts: { readonly find: StartSource["find"] } & Pick<ScheduleStarts, "programOf">;
  readonly router: Pick<CommandRouter, "execute">;
  readonly load: LoadRun;
  readonly uploads: UsedUploads;
}

type Schedules = Pick<
  ServiceImpl<typeof SchedulerService>,
  "createSchedule" | "getSchedule" | "listSchedules" | "updateSchedule" | "triggerSchedule" | "deleteSchedule"
>;

/** The RPCs about schedules. */
export function schedules({ store, starts, router, load, uploads }: SchedulesDeps): Schedules {
  const whole = async (schedule: Schedule): Promise<ScheduleMessage> => {
    const isTask = schedule.content.target?.kind.case === "task";
    const program = isTask ? await starts.programOf(schedule.scheduleId) : undefined;
    return wholeScheduleMessage(schedule, program?.content);
  };

  /** Finds what a schedule of a client is to start, and stores a workflow that is sent along; answers the schedule with it, and the workflow's id when it is started by that. */
  const targetOf = async (
    schedule: ScheduleMessage,
    { owner, caller }: { readonly owner: Owning; readonly caller: Owning },
  ): Promise<{ readonly workflowId: string | undefined; readonly given: ScheduleMessage }> => {
    const target = schedule.target?.kind;
    if (target?.case !== "workflow")
      return { workflowId: undefined, given: await withFile(caller, schedule) };
    const { workflowId, workflowName } = target.value;
    const found = await starts.find(owner, target.value, "schedule.target.workflow.");
    if (found === undefined) {
      const metadata = { workflow_id: (workflowId || workflowName).slice(0, 200) };
      throw new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata);
    }
    return { workflowId: workflowName === "" ? found.workflowId : undefined, given: schedule };
  };

  /** A schedule with the file of its task, where that was uploaded before. */
  const withFile = async (caller: Owning, schedule: ScheduleMessage): Promise<ScheduleMessage> => {
    const target = schedule.target?.kind;
    if (target?.case !== "task" || target.value.program === undefined) return schedule;
    const { program } = target.value;
    const whole = await withUpload(program, { ...caller, uploads });
    if (whole === undefined) throw uploadNotFound(program.uploadId);
    const copy = clone(ScheduleSchema, schedule);
    // From here on the file is the schedule's own.
    if (copy.target?.kind.case === "task") copy.target.kind.value.program = { ...whole, uploadId: "" };
    return copy;
  };

  const scheduleFor = async (caller: Owning, scheduleId: string): Promise<Schedule> => {
    const schedule = isRunId(scheduleId) ? await store.read(scheduleId) : undefined;
    if (schedule === undefined || !mayUse(caller, schedule)) throw scheduleNotFound(scheduleId);
    return schedule;
  };

  return {
    async createSchedule(request, context) {
      const { schedule } = request;
      if (schedule === undefined) throw missing("schedule");
      const faults = [...givenFaults(schedule), ...scheduleFaults(schedule, scheduleParts)];
      refuse([...requestIdFaults(request.requestId), ...faults]);
      const caller = owningOf(context);
      const noted = requestOf(caller, CreateScheduleRequestSchema, {
        ...request,
        schedule: comparable(schedule),
      });
      // A repeat is answered as it was, whatever has become of the workflow, or of the file.
      const target = (await store.isNoted(noted))
        ? undefined
        : await targetOf(schedule, { owner: caller, caller });
      const scheduleId = derivedUuid("schedule", caller.clientId, noted.requestId);
      const place = { scheduleId, partition: partitionOf(scheduleId) };
      const current = await spending(uploadIn(schedule), { ...caller, uploads }, async () => {
        const stored = await store.create(noted, place, (now) => {
          const { given, workflowId } = resolved(target);
          return newContent(given, { workflowId, now });
        });
        return orRefuse(stored, scheduleId, noted);
      });
      return { schedule: await whole(current) };
    },

    async getSchedule({ scheduleId }, context) {
      return { schedule: await whole(await scheduleFor(owningOf(context), scheduleId)) };
    },

    async listSchedules({ pageSize, pageToken: token }, context) {
      const caller = owningOf(context);
      const limit = pageSizeOf(pageSize);
      const place = runPlace(token, "schedules");
      const after = place && { createdAt: place.createdAt, scheduleId: place.runId };
      const clientId = caller.admin ? undefined : caller.clientId;
      const { schedules, hasMore } = await store.page({ clientId, after, limit });
      const last = hasMore ? schedules.at(-1) : undefined;
      return {
        schedules: schedules.map(scheduleMessage),
        nextPageToken: last ? pageToken("schedules", [last.createdAt.getTime(), last.scheduleId]) : "",
      };
    },

    async updateSchedule(request, context) {
      const { schedule } = request;
      if (schedule === undefined) throw missing("schedule");
      const parts = partsOf(request.updateMask?.paths ?? []);
      refuse([...requestIdFaults(request.requestId), ...scheduleFaults(schedule, parts)]);
      const caller = owningOf(context);
      const { scheduleId, clientId } = await scheduleFor(caller, schedule.scheduleId);
      const noted = requestOf(caller, UpdateScheduleRequestSchema, {
        ...request,
        schedule: comparable(schedule),
      });
      const isResolved = !parts.has("target") || (await store.isNoted(noted));
      const target = isResolved
        ? undefined
        : await targetOf(schedule, { owner: { ...caller, clientId }, caller });
      const uploadId = parts.has("target") ? uploadIn(schedule) : undefined;
      const current = await spending(uploadId, { ...caller, uploads }, async () => {
        const stored = await store.change(noted, scheduleId, (current, now) => {
          const { workflowId, given } = parts.has("target")
            ? resolved(target)
            : { workflowId: current.workflowId, given: schedule };
          return changedContent(current, { given, parts, workflowId, now });
        });
        return orRefuse(stored, scheduleId, noted);
      });
      return { schedule: await whole(current) };
    },

    async triggerSchedule(request, context) {
      refuse(requestIdFaults(request.requestId));
      const caller = owningOf(context);
      const schedule = await scheduleFor(caller, request.scheduleId);
      const { clientId, ...noted } = requestOf(caller, TriggerScheduleRequestSchema, request);
      const time = await store.note({ clientId, ...noted });
      if (time === "reused") throw requestIdReused(noted.requestId);
      const run = runOfTrigger(schedule, { clientId, requestId: noted.requestId, at: time.now });
      // A repeat finds the run, whatever the schedule starts by now.
      if ((await load(run.runId)) === undefined) {
        const command = await startCommand(starts, schedule, run);
        await router.execute(command, context.signal);
      }
      return { run: runMessage(await runFor(caller, run.runId, load)) };
    },

    async deleteSchedule(request, context) {
      const { scheduleId } = request;
      refuse(requestIdFaults(request.requestId));
      const caller = owningOf(context);
      const schedule = isRunId(scheduleId) ? await store.read(scheduleId) : undefined;
      const isForeign = schedule !== undefined && !mayUse(caller, schedule);
      if (!isRunId(scheduleId) || isForeign) throw scheduleNotFound(scheduleId);
      const noted = requestOf(caller, DeleteScheduleRequestSchema, request);
      const removed = await store.remove(noted, scheduleId);
      if (removed !== "removed") orRefuse(removed, scheduleId, noted);
      return {};
    },
  };
}

/** Whether a caller sees a schedule: it is its own, or the caller is an admin. */
function mayUse(caller: Owning, schedule: Schedule): boolean {
  return caller.admin || schedule.clientId === caller.clientId;
}

/** What was looked up before a request that was not noted by then. */
function resolved<Target>(target: Target | undefined): Target {
  if (target === undefined) throw new Error("a request was forgotten while it was repeated");
  return target;
}

/** What a mask names. Throws `FIELD_INVALID` when it names nothing, or what can not be changed. */
function partsOf(paths: readonly string[]): ReadonlySet<SchedulePart> {
  const known: ReadonlySet<string> = new Set(scheduleParts);
  if (paths.length === 0) throw missing("update_mask");
  refuse(
    paths.flatMap((path, index) => {
      const message = `is none of ${scheduleParts.join(", ")}`;
      const at = `update_mask.paths[${index}]`;
      return known.has(path) ? [] : [{ path: at, reason: "FIELD_INVALID" as const, message }];
    }),
  );
  return new Set(paths as SchedulePart[]);
}

/** A mutation as it is noted: without a request id one is drawn. */
function requestOf<Desc extends DescMessage>(
  { clientId }: Owning,
  schema: Desc,
  request: MessageShape<Desc> & { readonly requestId: string },
): ScheduleRequest {
  const body = toBinary(schema, { ...request, requestId: "" });
  const digest = sha256(Buffer.concat([Buffer.from(`${schema.typeName} `), body]));
  return { clientId, requestId: request.requestId || randomUUID(), digest };
}

/** The upload that a schedule's task names, if it names one. */
function uploadIn({ target }: ScheduleMessage): string | undefined {
  return target?.kind.case === "task" ? target.kind.value.program?.uploadId : undefined;
}

/** A schedule as requests are told apart by it, the same for each repeat. Without the environment: a digest of secrets can be tried against guesses. */
function comparable(schedule: ScheduleMessage): ScheduleMessage {
  const copy = clone(ScheduleSchema, schedule);
  const target = copy.target?.kind;
  if (target?.value !== undefined) target.value.labels = sortedLabels(target.value.labels);
  if (target?.case === "task" && target.value.program !== undefined) target.value.program.env = {};
  return copy;
}

function orRefuse(stored: Schedule | Refused, scheduleId: string, { requestId }: ScheduleRequest): Schedule {
  if (stored === "missing") throw scheduleNotFound(scheduleId);
  if (stored === "reused") throw requestIdReused(requestId);
  return stored;
}

function scheduleNotFound(scheduleId: string): DomainError {
  const metadata = { schedule_id: scheduleId.slice(0, 100) };
  return new DomainError("SCHEDULE_NOT_FOUND", "there is no such schedule", metadata);
}

function requestIdReused(requestId: string): DomainError {
  const message = `request id ${requestId} was used by another request`;
  return new DomainError("REQUEST_ID_REUSED", message, { request_id: requestId });
}

function missing(path: string): DomainError {
  return DomainError.ofFaults([{ path, reason: "FIELD_INVALID", message: "is missing" }]);
}
