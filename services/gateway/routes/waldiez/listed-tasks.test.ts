import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type Schedule, ScheduleSchema } from "../../../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import {
  SchedulerService,
  type TaskFilter,
} from "../../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { type Task, TaskSchema, TaskState } from "../../../../gen/antiphon/scheduler/v1/task_pb.ts";
import { countListed, listTasksOf, type TaskPage, type TaskQuery } from "./listed-tasks.ts";

const now = new Date("2030-06-01T00:00:00Z");
const day = (number: number) => timestampFromDate(new Date(Date.UTC(2030, 0, number)));

/** A schedule for each name, the first the oldest; answered newest first, as the scheduler does. */
const schedules = ["s-one.waldiez", "s-two.waldiez", "s-three.waldiez"].map((fileName, index) =>
  create(ScheduleSchema, {
    scheduleId: `s${index}`,
    timing: { kind: { case: "cron", value: "0 0 * * *" } },
    target: { kind: { case: "task", value: { program: { fileName } } } },
    createdAt: day(index + 1),
  }),
);
const workflow = create(ScheduleSchema, {
  scheduleId: "w",
  target: { kind: { case: "workflow", value: { workflowId: "x" } } },
});
const tasks = ["p-one.waldiez", "p-two.waldiez", "p-three.waldiez"].map((name, index) =>
  create(TaskSchema, { taskId: `t${index}`, name, state: TaskState.RUNNING }),
);
/** What the second schedule is carrying out. */
const running = create(TaskSchema, { taskId: "r1", runId: "r1", state: TaskState.RUNNING });

const asked: string[] = [];

const matching = (filter: TaskFilter | undefined): Task[] =>
  tasks.filter(({ name, state }) => {
    if (filter?.withoutScheduled !== true) throw new Error("what schedules started is listed");
    return (
      (filter.states.length === 0 || filter.states.includes(state)) &&
      name.toLowerCase().includes(filter.text.toLowerCase())
    );
  });

const scheduler = createClient(
  SchedulerService,
  createRouterTransport(({ service }) =>
    service(SchedulerService, {
      listSchedules({ pageToken }) {
        const all: Schedule[] = [workflow, ...schedules.toReversed()];
        return pageToken === ""
          ? { schedules: all.slice(0, 2), nextPageToken: "2" }
          : { schedules: all.slice(2), nextPageToken: "" };
      },
      listRuns: ({ scheduleId }) => ({ runs: scheduleId === "s1" ? [{ runId: "r1" }] : [] }),
      getTask: () => ({ task: running }),
      countTasks: ({ filter }) => ({ count: BigInt(matching(filter).length) }),
      listTasks({ filter, orderBy, skip, pageSize }) {
        asked.push(orderBy);
        return { tasks: matching(filter).slice(skip, skip + pageSize) };
      },
    }),
  ),
);

const finding = { clients: { scheduler }, signal: new AbortController().signal };

async function listed(query: TaskQuery, page: Partial<TaskPage> = {}) {
  const whole = { orderBy: undefined, isDescending: false, skip: 0, size: 50, ...page };
  const { tasks, total } = await listTasksOf(query, whole, now, finding);
  const ids = tasks.map((found) => (found.kind === "plain" ? found.task.taskId : found.schedule.scheduleId));
  return { ids, total };
}

test("schedules come first, the oldest at the top, then single tasks, on pages without a gap", async () => {
  expect(await listed({})).toEqual({ ids: ["s0", "s1", "s2", "t0", "t1", "t2"], total: 6 });
  const pages = [];
  for (const skip of [0, 2, 4, 6]) pages.push((await listed({}, { skip, size: 2 })).ids);
  expect(pages).toEqual([["s0", "s1"], ["s2", "t0"], ["t1", "t2"], []]);
});

test("both parts are sorted by what is asked for", async () => {
  expect((await listed({}, { orderBy: "filename", isDescending: true })).ids.slice(0, 3)).toEqual([
    "s1",
    "s2",
    "s0",
  ]);
  expect(asked.at(-1)).toBe("name desc");
  expect((await listed({}, { orderBy: "status" })).ids.slice(0, 3)).toEqual(["s0", "s2", "s1"]);
  await listed({}, { orderBy: "flow_id" });
  expect(asked.at(-1)).toBe("labels.waldiez.flow_id");
});

test("a status selects among both parts", async () => {
  expect(await listed({ statuses: ["RUNNING"] })).toEqual({ ids: ["s1", "t0", "t1", "t2"], total: 4 });
  expect(await listed({ statuses: ["PENDING"] })).toEqual({ ids: ["s0", "s2"], total: 2 });
  expect(await countListed({ statuses: ["PENDING", "RUNNING"] }, now, finding)).toBe(6);
});

test("a search is for a file's name, and for a status where no file is called so", async () => {
  expect((await listed({ search: "THREE" })).ids).toEqual(["s2", "t2"]);
  expect((await listed({ search: "pend" })).ids).toEqual(["s0", "s2"]);
  expect((await listed({ search: "nothing" })).total).toBe(0);
});
