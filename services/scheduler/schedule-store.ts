import { toBinary } from "@bufbuild/protobuf";
import {
  type Schedule as ScheduleMessage,
  ScheduleSchema,
} from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import type { Database } from "../../lib/postgres/database.ts";
import type { Queryable, Transaction } from "../../lib/postgres/session.ts";
import { sql } from "../../lib/postgres/sql.ts";
import type { EnvSeal, TaskProgram } from "./program-env.ts";
import type { Schedule } from "./schedule.ts";
import { type ScheduleRow, scheduleColumns, scheduleOfRow } from "./schedule-row.ts";

/** What a page of schedules may take in all, so that it stays a message: 4 MiB. A single one that is larger is a page. */
const maxPageBytes = 4 * 1024 * 1024;

/** A mutation by a client: a repeat has the same id and digest. */
export interface ScheduleRequest {
  readonly clientId: string;
  readonly requestId: string;
  readonly digest: string;
}

/** What a client may decide about a schedule. */
export interface ScheduleContent {
  readonly name: string;
  readonly workflowId: string | undefined;
  /** Without the file of a task and its environment. */
  readonly content: ScheduleMessage;
  readonly paused: boolean;
  readonly nextAt: Date | undefined;
  readonly resumedAt: Date | undefined;
  /** The file of a task with its environment; undefined when there is none, or, in a change, when both stay. */
  readonly program: TaskProgram | undefined;
}

/** How a mutation ended, besides with the schedule as it stands: its request id belongs to another request, or there is no such schedule. */
export type Refused = "reused" | "missing";

/** SQL of schedules, as clients see and change them. Environments are sealed for the schedule. */
export function scheduleStore(db: Database, envs: Pick<EnvSeal, "seal">) {
  return {
    /** Stores a schedule, unless the same request did before. `work` gets the time. Throws what it throws. */
    async create(
      request: ScheduleRequest,
      schedule: Pick<Schedule, "scheduleId" | "partition">,
      work: (now: Date) => ScheduleContent,
    ): Promise<Schedule | Refused> {
      const { scheduleId, partition } = schedule;
      return await db.transaction(async (transaction) => {
        const noted = await note(transaction, request);
        if (noted.kind === "reused") return "reused";
        if (noted.kind === "new") {
          const { name, workflowId, content, paused, nextAt, program } = work(noted.now);
          await transaction.query(sql`
            insert into scheduler.schedule (
              schedule_id, partition, client_id, name, workflow_id, content, program, sealed_env, paused, next_at,
              created_at, updated_at
            )
            values (
              ${scheduleId}::uuid, ${partition}, ${request.clientId}, ${name}, ${workflowId}::uuid,
              ${toBinary(ScheduleSchema, content)}::bytea, ${program?.content}::bytea,
              ${program && envs.seal(program.env, scheduleId)}::bytea, ${paused}, ${nextAt}, ${noted.now}, ${noted.now}
            )
          `);
        }
        return (await read(transaction, scheduleId)) ?? "missing";
      });
    },

    /** Changes a schedule, unless the same request did before. `work` gets it as it stands, and the time. Throws what it throws. */
    async change(
      request: ScheduleRequest,
      scheduleId: string,
      work: (schedule: Schedule, now: Date) => ScheduleContent,
    ): Promise<Schedule | Refused> {
      return await db.transaction(async (transaction) => {
        const schedule = await lock(transaction, scheduleId);
        if (schedule === undefined) return "missing";
        const noted = await note(transaction, request);
        if (noted.kind === "reused") return "reused";
        if (noted.kind === "repeated") return schedule;
        const { name, workflowId, content, paused, nextAt, resumedAt, program } = work(schedule, noted.now);
        const isTask = content.target?.kind.case === "task";
        await transaction.query(sql`
          update scheduler.schedule
          set
            name = ${name},
            workflow_id = ${workflowId}::uuid,
            content = ${toBinary(ScheduleSchema, content)}::bytea,
            program = case when ${isTask}::boolean then coalesce(${program?.content}::bytea, program) end,
            sealed_env = case
              when ${program !== undefined}::boolean then ${program && envs.seal(program.env, scheduleId)}::bytea
              when ${isTask}::boolean then sealed_env
            end,
            paused = ${paused},
            next_at = ${nextAt},
            resumed_at = ${resumedAt},
            updated_at = ${noted.now},
            revision = revision + 1
          where schedule_id = ${scheduleId}::uuid
        `);
        return (await read(transaction, scheduleId)) ?? "missing";
      });
    },

    /** Removes a schedule; one that the same request removed before is no error. */
    async remove(request: ScheduleRequest, scheduleId: string): Promise<"removed" | Refused> {
      return await db.transaction(async (transaction) => {
        const schedule = await lock(transaction, scheduleId);
        if (schedule === undefined) {
          return (await digestOf(transaction, request)) === request.digest ? "removed" : "missing";
        }
        if ((await note(transaction, request)).kind === "reused") return "reused";
        await transaction.query(sql`
          delete from scheduler.schedule where schedule_id = ${scheduleId}::uuid
        `);
        return "removed";
      });
    },

    /** Whether a request is a repeat of one that was carried out, or its id belongs to another one. */
    async isNoted({ clientId, requestId }: ScheduleRequest): Promise<boolean> {
      return (await digestOf(db, { clientId, requestId })) !== undefined;
    },

    /** Notes a request that changes no schedule, and answers the time. */
    async note(request: ScheduleRequest): Promise<{ readonly now: Date } | "reused"> {
      const noted = await db.transaction(async (transaction) => await note(transaction, request));
      return noted.kind === "reused" ? "reused" : noted;
    },

    async read(scheduleId: string): Promise<Schedule | undefined> {
      return await read(db, scheduleId);
    },

    /** A page of schedules, newest first; of all clients when `clientId` is undefined. Shorter than `limit` where it would be too large; `hasMore` says whether more follow. */
    async page({
      clientId,
      after,
      limit,
    }: {
      readonly clientId: string | undefined;
      readonly after: { readonly createdAt: Date; readonly scheduleId: string } | undefined;
      readonly limit: number;
    }): Promise<{ readonly schedules: readonly Schedule[]; readonly hasMore: boolean }> {
      const ofClient = clientId === undefined ? sql`true` : sql`client_id = ${clientId}`;
      const later =
        after === undefined
          ? sql`true`
          : sql`(created_at, schedule_id) < (${after.createdAt}::timestamptz, ${after.scheduleId}::uuid)`;
      const rows = await db.query<ScheduleRow & { count: number }>(sql`
        with place as (
          select schedule_id, created_at, octet_length(content) as bytes
          from scheduler.schedule
          where ${ofClient}
            and ${later}
          order by created_at desc, schedule_id desc
          limit ${limit + 1}
        ), sized as (
          select
            schedule_id,
            row_number() over in_order as number,
            sum(bytes) over in_order as bytes,
            (select count(*)::int from place) as count
          from place
          window in_order as (order by created_at desc, schedule_id desc)
        )
        select sized.count, ${scheduleColumns}
        from sized
        join scheduler.schedule using (schedule_id)
        where sized.number <= ${limit}
          and (sized.number = 1 or sized.bytes <= ${maxPageBytes})
        order by sized.number
      `);
      return { schedules: rows.map(scheduleOfRow), hasMore: rows.length < (rows[0]?.count ?? 0) };
    },
  };
}

export type ScheduleStore = ReturnType<typeof scheduleStore>;

async function read(db: Queryable, scheduleId: string): Promise<Schedule | undefined> {
  const [row] = await db.query<ScheduleRow>(sql`
    select ${scheduleColumns} from scheduler.schedule where schedule_id = ${scheduleId}::uuid
  `);
  return row && scheduleOfRow(row);
}

async function lock(transaction: Transaction, scheduleId: string): Promise<Schedule | undefined> {
  const [row] = await transaction.query<ScheduleRow>(sql`
    select ${scheduleColumns} from scheduler.schedule where schedule_id = ${scheduleId}::uuid for update
  `);
  return row && scheduleOfRow(row);
}

/** Notes a request for 24 hours at least, waiting for one of the same id in flight. */
async function note(
  transaction: Transaction,
  { clientId, requestId, digest }: ScheduleRequest,
): Promise<{ readonly kind: "new" | "repeated" | "reused"; readonly now: Date }> {
  const [inserted] = await transaction.query<{ now: Date }>(sql`
    insert into scheduler.request (client_id, request_id, digest)
    values (${clientId}, ${requestId}, ${digest})
    on conflict (client_id, request_id) do nothing
    returning clock_timestamp() as now
  `);
  if (inserted !== undefined) return { kind: "new", now: inserted.now };
  const digestBefore = await digestOf(transaction, { clientId, requestId });
  const [clock] = await transaction.query<{ now: Date }>(sql`select clock_timestamp() as now`);
  if (digestBefore === undefined || clock === undefined) {
    throw new Error(`request ${requestId} was noted and is not there`);
  }
  return { kind: digestBefore === digest ? "repeated" : "reused", now: clock.now };
}

/** The digest of the request that a request id belongs to. */
async function digestOf(
  db: Queryable,
  { clientId, requestId }: Pick<ScheduleRequest, "clientId" | "requestId">,
): Promise<string | undefined> {
  const [known] = await db.query<{ digest: string }>(sql`
    select digest from scheduler.request where client_id = ${clientId} and request_id = ${requestId}
  `);
  return known?.digest;
}
