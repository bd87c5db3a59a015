import type { Database } from "../../lib/postgres/database.ts";
import { type Statement, sql } from "../../lib/postgres/sql.ts";
import type { TaskState } from "./core/task-state.ts";
import { containing } from "./like-pattern.ts";

/** Which stand-alone tasks; what is undefined, or empty, restricts nothing. */
export interface TaskFilter {
  readonly clientId?: string | undefined;
  readonly states?: readonly TaskState[];
  /** What the name contains, whatever the case of letters. */
  readonly text?: string | undefined;
  /** `key=value`; a task has all of them. */
  readonly labels?: readonly string[];
  readonly withoutScheduled?: boolean;
}

/** By what tasks are put in order; `label` is by the value of a label, empty where there is none. */
export type TaskKey =
  | { readonly by: "created_at" | "task_id" | "name" | "state" }
  | { readonly by: "label"; readonly label: string };

export interface TaskOrder {
  readonly key: TaskKey;
  readonly isDescending: boolean;
}

/** The last task of a page, as the order has it. */
export interface TaskPlace {
  /** Its key in the order, as text; empty where the key is its id or time. */
  readonly value: string;
  readonly createdAt: Date;
  readonly taskId: string;
}

/** Which part of the list. */
export interface TaskPage {
  readonly order: TaskOrder;
  readonly after: TaskPlace | undefined;
  readonly skip: number;
  readonly limit: number;
}

/**
 * The states as a list in their order shows them: those that ended by the
 * alphabet, then the others as a task goes through them. Clients that know fewer
 * states, `PENDING` and `RUNNING`, see theirs by the alphabet, wherever they draw
 * the line.
 */
const statesInOrder: readonly TaskState[] = [
  "cancelled",
  "completed",
  "failed",
  "skipped",
  "pending",
  "queued",
  "starting",
  "running",
  "waiting_for_input",
];

/** SQL of lists and counts of stand-alone tasks. Those of deleted runs are in none. */
export function taskStore(db: Pick<Database, "query">) {
  return {
    /**
     * The places of a page of tasks, after another place. In the order of time an
     * index leads to the page; for any other order all tasks that the filter fits
     * are looked at.
     */
    async page(filter: TaskFilter, { order, after, skip, limit }: TaskPage): Promise<TaskPlace[]> {
      const rows = await db.query<{ value: string; created_at: Date; run_id: string }>(sql`
        select ${valueOf(order.key)} as value, created_at, run_id
        from scheduler.run
        where ${conditionOf(filter)}
          and ${after === undefined ? sql`true` : isAfter(order, after)}
        order by ${inOrder(order)}
        offset ${skip}
        limit ${limit}
      `);
      return rows.map((row) => ({ value: row.value, createdAt: row.created_at, taskId: row.run_id }));
    },

    async count(filter: TaskFilter): Promise<number> {
      const [row] = await db.query<{ count: number }>(sql`
        select count(*)::int as count
        from scheduler.run
        where ${conditionOf(filter)}
      `);
      return row?.count ?? 0;
    },
  };
}

export type TaskStore = ReturnType<typeof taskStore>;

/** Of a row that older code wrote: as far as the run's own state says it. */
const taskState = sql`coalesce(
  task_state,
  case state when 'running' then 'queued' when 'paused' then 'queued' else state end
)`;

function conditionOf({ clientId, states = [], text, labels = [], withoutScheduled }: TaskFilter): Statement {
  const conditions = [sql`workflow_id is null and deleted_at is null`];
  if (clientId !== undefined) conditions.push(sql`client_id = ${clientId}`);
  if (states.length > 0) {
    conditions.push(sql`${taskState} = any (${states}::text[])`);
    // The same for the indexes of live runs and of those that ended badly.
    if (states.every((state) => !endedStates.has(state))) conditions.push(sql`ended_at is null`);
    if (states.every((state) => badlyEndedStates.has(state))) {
      conditions.push(sql`state in ('failed', 'cancelled')`);
    }
  }
  if (text !== undefined) conditions.push(sql`name ilike ${containing(text)}`);
  // The second says what the first does, for the index of runs with labels.
  if (labels.length > 0) conditions.push(sql`labels @> ${labels}::text[] and labels <> '{}'`);
  if (withoutScheduled === true) conditions.push(sql`schedule_id is null`);
  return conditions.reduce((all, one) => sql`${all} and ${one}`);
}

const badlyEndedStates: ReadonlySet<TaskState> = new Set(["failed", "cancelled"]);
const endedStates: ReadonlySet<TaskState> = new Set([...badlyEndedStates, "completed", "skipped"]);

/** What a list is in the order of, besides time and id, in a form that compares as the order goes. */
function valueOf(key: TaskKey): Statement {
  switch (key.by) {
    case "created_at":
    case "task_id":
      return sql`''`;
    case "name":
      return sql`name collate "C"`;
    case "state":
      return sql`array_position(${statesInOrder}::text[], ${taskState})::text`;
    case "label": {
      const start = `${key.label}=`;
      return sql`coalesce(
        (select substr(label, ${start.length + 1}) from unnest(labels) as label where starts_with(label, ${start})),
        ''
      ) collate "C"`;
    }
  }
}

function inOrder({ key, isDescending }: TaskOrder): Statement {
  switch (key.by) {
    case "created_at":
      return isDescending ? sql`created_at desc, run_id desc` : sql`created_at, run_id`;
    case "task_id":
      return isDescending ? sql`run_id desc` : sql`run_id`;
    default: {
      // By the column's number, so that what it stands for is written once.
      return isDescending ? sql`1 desc, created_at, run_id` : sql`1, created_at, run_id`;
    }
  }
}

function isAfter({ key, isDescending }: TaskOrder, { value, createdAt, taskId }: TaskPlace): Statement {
  const place = sql`(${createdAt}::timestamptz, ${taskId}::uuid)`;
  switch (key.by) {
    case "created_at":
      return isDescending ? sql`(created_at, run_id) < ${place}` : sql`(created_at, run_id) > ${place}`;
    case "task_id":
      return isDescending ? sql`run_id < ${taskId}::uuid` : sql`run_id > ${taskId}::uuid`;
    default: {
      const own = valueOf(key);
      const isBeyond = isDescending ? sql`${own} < ${value}` : sql`${own} > ${value}`;
      return sql`(${isBeyond} or (${own} = ${value} and (created_at, run_id) > ${place}))`;
    }
  }
}
