import { createHash, randomUUID } from "node:crypto";
import { type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Audience } from "../../gen/antiphon/auth/v1/client_pb.ts";
import { type RunSchema, RunState } from "../../gen/antiphon/scheduler/v1/run_pb.ts";
import type { ScheduleSchema } from "../../gen/antiphon/scheduler/v1/schedule_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import {
  type FailureSchema,
  type TaskSchema,
  TaskState,
  type WaitSchema,
} from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { type Dag, DagSchema, type WorkflowSchema } from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import {
  type AttachRequest,
  type AttachResponseSchema,
  TaskIOService,
} from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import {
  type EntrySchema,
  PromptClosed_How as How,
  Output_Stream as Stream,
  type TaskNewsSchema,
} from "../../gen/antiphon/taskio/v1/transcript_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { logger } from "../../lib/log/log.ts";
import { publicAccess } from "../../lib/rpc/access.ts";
import type { RunningService } from "../../lib/rpc/running-service.ts";
import { type Server, serve } from "../../lib/rpc/serve.ts";
import { toConnectError } from "../../lib/rpc/to-connect-error.ts";
import { aCaller } from "./a-caller.ts";

type Entry = MessageInitShape<typeof EntrySchema>;
type Failure = MessageInitShape<typeof FailureSchema>;
type News = NonNullable<MessageInitShape<typeof TaskNewsSchema>["news"]>;
type Response = NonNullable<MessageInitShape<typeof AttachResponseSchema>["response"]>;

/** An answer, and who gave it. */
interface Given {
  readonly text: string;
  readonly by: string;
}

/** What a submitted program does. */
export type FakeProgram = (task: FakeTask) => unknown;

/** A task of the fake server, written to and ended by a fake program. */
export class FakeTask {
  readonly taskId = randomUUID();
  readonly name: string;
  /** Every answer that was taken, also to questions that are secret. */
  readonly answers: string[] = [];
  /** Every answer that came, taken or not, with its request id. */
  readonly received: { readonly text: string; readonly requestId: string }[] = [];
  state: TaskState = TaskState.QUEUED;
  failure: Failure | undefined;
  output: unknown;
  readonly entries: Entry[] = [];
  readonly #openPrompts = new Map<string, { readonly text: string; readonly password: boolean }>();
  readonly #waiting = new Map<string, (given: Given) => void>();
  readonly #taken = new Map<string, string>();
  readonly #listeners = new Set<(response: Response) => void>();
  readonly #cancelled = new AbortController();

  constructor(name: string) {
    this.name = name;
  }

  /** Aborts when somebody asks for the end of the task. */
  get cancelled(): AbortSignal {
    return this.#cancelled.signal;
  }

  write(text: string, stream: Stream = Stream.STDOUT): void {
    this.#append({ case: "output", value: { stream, data: Buffer.from(text) } });
  }

  message(value: unknown): void {
    this.#append({ case: "message", value: { json: Buffer.from(JSON.stringify(value)) } });
  }

  /** Asks, and waits for the answer. */
  async ask(text: string, { password = false } = {}): Promise<string> {
    const promptId = randomUUID();
    const answer = new Promise<Given>((resolve) => this.#waiting.set(promptId, resolve));
    this.#openPrompts.set(promptId, { text, password });
    this.#append({ case: "prompt", value: { promptId, text, password } });
    this.#tell({ case: "promptOpened", value: { prompt: { promptId, attempt: 1, text, password } } });
    this.#become(TaskState.WAITING_FOR_INPUT);
    const { text: given, by: answeredBy } = await answer;
    this.#append({ case: "answer", value: { promptId, text: password ? "" : given, password, answeredBy } });
    this.#become(TaskState.RUNNING);
    return given;
  }

  /** Answers the open questions with nothing, because nobody did in time. */
  timeOutPrompts(): void {
    for (const promptId of this.#openPrompts.keys()) {
      this.#openPrompts.delete(promptId);
      this.#tell({ case: "promptClosed", value: { promptId, how: How.TIMED_OUT } });
      this.#waiting.get(promptId)?.({ text: "", by: "" });
      this.#waiting.delete(promptId);
    }
  }

  /** Closes the open questions as if somebody else had answered them. */
  answerElsewhere(text: string): void {
    for (const promptId of this.#openPrompts.keys()) this.answer({ promptId, text, requestId: randomUUID() });
  }

  /** Closes the open questions because the attempt that asked has ended. */
  closePrompts(): void {
    for (const promptId of this.#openPrompts.keys())
      this.#tell({ case: "promptClosed", value: { promptId, how: How.ATTEMPT_ENDED } });
    this.#openPrompts.clear();
  }

  /** Ends the task. */
  end(state: TaskState, failure?: Failure): void {
    this.state = state;
    this.failure = failure;
    this.#tell({ case: "end", value: { state, ...(failure && { failure }) } });
  }

  cancel(): void {
    this.#cancelled.abort();
  }

  answer({ promptId, text, requestId }: { promptId: string; text: string; requestId: string }): Response {
    this.received.push({ text, requestId });
    if (this.#taken.get(promptId) !== requestId) {
      const waiting = this.#waiting.get(promptId);
      if (waiting === undefined) {
        const message = `the prompt ${promptId} is closed`;
        return { case: "refused", value: { promptId, requestId, reason: "PROMPT_CLOSED", message } };
      }
      this.#taken.set(promptId, requestId);
      this.#waiting.delete(promptId);
      this.#openPrompts.delete(promptId);
      this.answers.push(text);
      this.#tell({ case: "promptClosed", value: { promptId, how: How.ANSWERED, answeredBy: "c1" } });
      waiting({ text, by: "c1" });
    }
    return { case: "accepted", value: { promptId, requestId } };
  }

  async *attach(
    requests: AsyncIterable<AttachRequest>,
    signal: AbortSignal,
  ): AsyncGenerator<{ response: Response }> {
    const queue: Response[] = [];
    let bell = Promise.withResolvers<void>();
    const push = (response: Response) => {
      queue.push(response);
      bell.resolve();
    };
    const iterator = requests[Symbol.asyncIterator]();
    const first = (await iterator.next()).value?.request;
    if (first?.case !== "open") throw toConnectError(new DomainError("FIELD_INVALID", "no open first"));
    this.#replay(first.value.after).forEach(push);
    this.#listeners.add(push);
    signal.addEventListener("abort", () => bell.resolve());
    void this.#hear(iterator, push).catch(() => undefined);
    try {
      for (;;) {
        for (let response = queue.shift(); response !== undefined; response = queue.shift()) {
          yield { response };
          if (response.case === "news" && response.value.news?.case === "end") return;
        }
        signal.throwIfAborted();
        bell = Promise.withResolvers<void>();
        await bell.promise;
      }
    } finally {
      this.#listeners.delete(push);
    }
  }

  toMessage(): MessageInitShape<typeof TaskSchema> {
    return {
      taskId: this.taskId,
      runId: this.taskId,
      nodeId: "main",
      handler: "program",
      name: this.name,
      state: this.state,
      attempt: 1,
      createdAt: timestampNow(),
      ...(this.failure && { failure: this.failure }),
      ...(this.output !== undefined && { output: Buffer.from(JSON.stringify(this.output)) }),
    };
  }

  async #hear(requests: AsyncIterator<AttachRequest>, push: (response: Response) => void): Promise<void> {
    for (let next = await requests.next(); next.done !== true; next = await requests.next()) {
      if (next.value.request.case === "answer") push(this.answer(next.value.request.value));
    }
  }

  #replay(after: string): Response[] {
    const seq = Number(after.split("-")[1] ?? 0);
    const openPrompts = [...this.#openPrompts].map(([promptId, prompt]) => ({
      promptId,
      attempt: 1,
      ...prompt,
    }));
    const news: News[] = [
      { case: "snapshot", value: { state: this.state, attempt: 1, openPrompts } },
      ...this.entries.slice(seq).map((entry) => ({ case: "entry" as const, value: entry })),
    ];
    if (this.state >= TaskState.COMPLETED) {
      news.push({
        case: "end",
        value: { state: this.state, ...(this.failure && { failure: this.failure }) },
      });
    }
    return news.map((item) => this.#news(item));
  }

  #append(body: NonNullable<Entry["body"]>): void {
    const entry = { attempt: 1, seq: this.entries.length + 1, at: timestampNow(), body };
    this.entries.push(entry);
    this.#tell({ case: "entry", value: entry });
  }

  #become(state: TaskState): void {
    this.state = state;
    this.#tell({ case: "stateChanged", value: { state, attempt: 1 } });
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(this.#news(news));
  }

  #news(news: News): Response {
    return { case: "news", value: { taskId: this.taskId, news } };
  }
}

/** A run of the fake server: what WatchRun answers for it, message by message. */
export interface FakeRun {
  readonly run: Extract<MessageInitShape<typeof RunSchema>, { readonly $typeName?: never }>;
  readonly changes: readonly {
    readonly nodeId: string;
    readonly state: TaskState;
    readonly run: RunState;
    /** What else the task says. */
    readonly task?: Extract<MessageInitShape<typeof TaskSchema>, { readonly $typeName?: never }>;
    /** The change comes when this resolves. */
    readonly after?: Promise<unknown>;
  }[];
  readonly results?: Readonly<Record<string, unknown>>;
}

type StoredWorkflow = Extract<MessageInitShape<typeof WorkflowSchema>, { readonly $typeName?: never }>;
type StoredSchedule = Extract<MessageInitShape<typeof ScheduleSchema>, { readonly $typeName?: never }>;

/** A server that speaks the contract and runs fake programs: what clients are tested against. */
export class FakeAntiphon implements RunningService {
  readonly name = "fake";
  readonly tasks: FakeTask[] = [];
  readonly programs: Readonly<Record<string, FakeProgram>>;
  /** More may come while it serves. */
  readonly runs: FakeRun[];
  /** The zip archive that every task leaves behind. */
  archive: Uint8Array = new Uint8Array();
  /** What was asked of WatchRun: the `after_seq` of each call. */
  readonly watchedAfter: number[] = [];
  /** WatchRun breaks after so many messages of a call. */
  breakWatchAfter = Number.POSITIVE_INFINITY;
  /** Stored workflows, newest last. */
  readonly workflows: StoredWorkflow[] = [];
  readonly schedules: StoredSchedule[] = [];
  /** What was asked for, besides reading and watching: the method and its request. */
  readonly asked: { readonly method: string; readonly request: object }[] = [];
  /** Why the next answers that are sent are refused, in their order. */
  readonly answersRefused: string[] = [];
  /** What is said to wait when a run is asked for. */
  waits: readonly MessageInitShape<typeof WaitSchema>[] = [];

  /** `programs`: by the name of the submitted file. */
  constructor(programs: Readonly<Record<string, FakeProgram>> = {}, runs: readonly FakeRun[] = []) {
    this.programs = programs;
    this.runs = [...runs];
  }

  readonly access = publicAccess;

  readonly check = async (): Promise<void> => {};

  /** Serves it on a port of its own; client `c1` with the secret `s1` may call. */
  listen(port = 0): Promise<Server> {
    return serve({
      host: "127.0.0.1",
      port,
      services: [this],
      verify: async (token) => {
        if (token !== "good") throw new DomainError("TOKEN_INVALID", "the token is not good");
        return aCaller({ clientId: "c1" });
      },
      log: logger("fake", "silent"),
      shutdownGraceMs: 0,
    });
  }

  readonly routes = (router: ConnectRouter): void => {
    router.service(AuthService, {
      issueToken: ({ clientId, clientSecret }) => {
        if (clientId !== "c1" || clientSecret !== "s1") {
          throw toConnectError(new DomainError("CREDENTIALS_INVALID", "no client has this id and secret"));
        }
        const expiresAt = { seconds: BigInt(Math.floor(Date.now() / 1000) + 3600) };
        return { accessToken: "good", expiresAt, audience: Audience.TASKS_API };
      },
      whoAmI: () => ({ client: { clientId: "c1", audience: Audience.TASKS_API, name: "tester" } }),
    });
    router.service(TaskIOService, {
      attach: async function* (this: void, requests, { signal }) {
        yield* attachToFirst(requests, signal);
      },
      sendInput: (request) => {
        this.asked.push({ method: "sendInput", request });
        const why = this.answersRefused.shift();
        if (why !== undefined) {
          const fault = { path: "text", reason: "FIELD_INVALID", message: why } as const;
          throw toConnectError(DomainError.ofFaults([fault]));
        }
        return {};
      },
    });
    const attachToFirst = (requests: AsyncIterable<AttachRequest>, signal: AbortSignal) =>
      this.#attach(requests, signal);
    router.service(WorkerService, {
      listWorkers: () => ({ workers: [{ workerId: "w1", handlers: ["noop"], slots: 4, alive: true }] }),
    });
    router.service(SchedulerService, {
      submitTask: (request) => {
        const { program } = request;
        const run = this.programs[program?.fileName ?? ""];
        if (program === undefined || run === undefined) {
          const faults = [
            { path: "program.file_name", reason: "FILE_REJECTED", message: "is of no known kind" },
          ] as const;
          throw toConnectError(DomainError.ofFaults(faults));
        }
        const task = new FakeTask(program.fileName);
        this.tasks.push(task);
        this.asked.push({ method: "submitTask", request });
        void this.#run(task, run);
        return { task: task.toMessage() };
      },
      getTask: ({ taskId }) => ({ task: this.#task(taskId).toMessage() }),
      getRun: ({ runId }) => {
        const run = this.runs.find((candidate) => candidate.run.runId === runId);
        if (run !== undefined) return { run: { ...run.run, waits: [...this.waits] } };
        const task = this.#task(runId);
        return { run: { runId, name: task.name, state: RunState.RUNNING, tasks: [task.toMessage()] } };
      },
      listTasks: (request) => {
        this.asked.push({ method: "listTasks", request });
        const from = Number(request.pageToken);
        const to = from + request.pageSize;
        return {
          tasks: this.tasks.slice(from, to).map((task) => task.toMessage()),
          nextPageToken: to < this.tasks.length ? String(to) : "",
        };
      },
      listRuns: (request) => {
        this.asked.push({ method: "listRuns", request });
        return {
          runs: this.tasks.map(({ taskId, name }) => ({ runId: taskId, name, state: RunState.RUNNING })),
        };
      },
      cancelRun: ({ runId }) => {
        if (!this.runs.some(({ run }) => run.runId === runId)) this.#task(runId).cancel();
        this.asked.push({ method: "cancelRun", request: { runId } });
        return { run: { runId, cancelRequested: true } };
      },
      pauseRun: (request) => this.#steered("pauseRun", request, RunState.PAUSED),
      resumeRun: (request) => this.#steered("resumeRun", request, RunState.RUNNING),
      signalRun: (request) => this.#steered("signalRun", request, RunState.RUNNING),
      rerunRun: (request) => this.#steered("rerunRun", request, RunState.RUNNING),
      deleteRun: (request) => {
        this.#steered("deleteRun", request, RunState.COMPLETED);
        return {};
      },
      listRunEvents: ({ runId, pageToken, withChanges }) => {
        const all = [1, 2, 3].map((seq) => ({
          seq,
          type: seq === 1 ? "run_started" : "task_ended",
          nodeId: seq === 1 ? "" : "A",
          attempt: seq === 1 ? 0 : 1,
          details: Buffer.from("{}"),
          changes: withChanges ? [{ taskId: `${runId}.A`, taskState: TaskState.COMPLETED, attempt: 1 }] : [],
        }));
        return pageToken === "" ? { events: all.slice(0, 2), nextPageToken: "2" } : { events: all.slice(2) };
      },
      getWorkflow: ({ workflowId }) => ({ workflow: this.#workflow(workflowId) }),
      listWorkflows: ({ name }) => ({
        workflows: this.workflows.filter((workflow) => name === "" || workflow.name === name).toReversed(),
      }),
      deleteWorkflow: ({ workflowId }) => {
        this.workflows.splice(this.workflows.indexOf(this.#workflow(workflowId)), 1);
        return {};
      },
      createSchedule: ({ schedule }) => {
        const stored = { ...schedule, scheduleId: randomUUID() } as StoredSchedule;
        this.schedules.push(stored);
        return { schedule: stored };
      },
      getSchedule: ({ scheduleId }) => ({ schedule: this.#schedule(scheduleId) }),
      listSchedules: () => ({ schedules: this.schedules.toReversed() }),
      updateSchedule: ({ schedule, updateMask }) => {
        const stored = this.#schedule(schedule?.scheduleId ?? "");
        this.asked.push({ method: "updateSchedule", request: { schedule, paths: updateMask?.paths } });
        if (updateMask?.paths.includes("paused")) stored.paused = schedule?.paused === true;
        return { schedule: stored };
      },
      triggerSchedule: ({ scheduleId }) => ({
        run: { runId: randomUUID(), scheduleId: this.#schedule(scheduleId).scheduleId ?? "" },
      }),
      deleteSchedule: ({ scheduleId }) => {
        this.schedules.splice(this.schedules.indexOf(this.#schedule(scheduleId)), 1);
        return {};
      },
      cancelTask: ({ taskId }) => {
        this.#task(taskId).cancel();
        return { task: this.#task(taskId).toMessage() };
      },
      downloadResults: async function* (this: void) {
        yield* archived();
      },
      validateWorkflow: ({ dag }) => ({
        faults: (dag?.nodes ?? []).flatMap(({ handler }, index) =>
          handler === "nothing"
            ? [
                {
                  path: `dag.nodes[${index}].handler`,
                  reason: "UNKNOWN_HANDLER",
                  message: "nobody offers nothing",
                },
              ]
            : [],
        ),
      }),
      createWorkflow: ({ name, dag }) => ({ workflow: this.#stored(name, dag) }),
      startRun: (request) => {
        this.asked.push({ method: "startRun", request });
        const { workflow } = request;
        const { workflowId = "" } = workflow === undefined ? {} : this.#stored(workflow.name, workflow.dag);
        if (request.workflowName === "" && workflow === undefined) this.#workflow(request.workflowId);
        return { run: { ...this.runs[0]?.run, ...(workflowId !== "" && { workflowId }) } };
      },
      getRunResults: ({ runId }) => {
        const { results = {} } = this.runs.find((candidate) => candidate.run.runId === runId) ?? {};
        const bytes = Object.entries(results).map(
          ([node, value]) => [node, Buffer.from(JSON.stringify(value))] as const,
        );
        return { results: Object.fromEntries(bytes) };
      },
      watchRun: async function* (this: void, { runs }) {
        for (const { runId, afterSeq } of runs.toReversed()) yield* watchFirst(runId, afterSeq);
      },
    });
    const archived = () => [{ chunk: this.archive.subarray(0, 10) }, { chunk: this.archive.subarray(10) }];
    const watchFirst = (runId: string, afterSeq: number) => this.#watchRun(runId, afterSeq);
  };

  async *#attach(requests: AsyncIterable<AttachRequest>, signal: AbortSignal) {
    const iterator = requests[Symbol.asyncIterator]();
    const first = await iterator.next();
    const taskId = first.value?.request.case === "open" ? first.value.request.value.taskId : "";
    async function* all() {
      yield first.value;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    }
    yield* this.#task(taskId).attach(all(), signal);
  }

  async *#watchRun(runId: string, afterSeq: number) {
    this.watchedAfter.push(afterSeq);
    const found = this.runs.find(({ run }) => run.runId === runId);
    if (found === undefined)
      throw toConnectError(new DomainError("RUN_NOT_FOUND", `there is no run ${runId}`, { run_id: runId }));
    let sent = 0;
    if (afterSeq === 0) {
      const stored = found === this.runs[0] ? this.workflows.at(-1)?.workflowId : undefined;
      const workflowId = stored ?? found.run.workflowId ?? "";
      const value = { ...found.run, workflowId };
      yield { runId, seq: 1, news: { case: "snapshot" as const, value } };
      sent += 1;
    }
    for (const [index, change] of found.changes.entries()) {
      const seq = index + 2;
      if (seq <= afterSeq) continue;
      if (sent === this.breakWatchAfter) {
        throw toConnectError(new DomainError("SERVICE_UNAVAILABLE", "this server is stopping"));
      }
      const task = {
        taskId: `${runId}.${change.nodeId}`,
        runId,
        nodeId: change.nodeId,
        state: change.state,
        attempt: 1,
        ...change.task,
      };
      await change.after;
      yield { runId, seq, news: { case: "change" as const, value: { tasks: [task], state: change.run } } };
      sent += 1;
    }
  }

  async #run(task: FakeTask, program: FakeProgram): Promise<void> {
    task.state = TaskState.RUNNING;
    const cancelled = new Promise<"cancelled">((resolve) => {
      task.cancelled.addEventListener("abort", () => resolve("cancelled"));
    });
    try {
      const output = await Promise.race([program(task), cancelled]);
      if (task.cancelled.aborted) {
        task.closePrompts();
        task.end(TaskState.CANCELLED);
        return;
      }
      task.output = output ?? null;
      task.end(TaskState.COMPLETED);
    } catch (error) {
      task.end(TaskState.FAILED, { reason: "EXIT_CODE", message: String(error), exitCode: 3 });
    }
  }

  #task(taskId: string): FakeTask {
    const task = this.tasks.find((candidate) => candidate.taskId === taskId);
    if (task !== undefined) return task;
    throw toConnectError(
      new DomainError("TASK_NOT_FOUND", `there is no task ${taskId}`, { task_id: taskId }),
    );
  }

  #steered(method: string, request: { readonly runId: string }, state: RunState) {
    const found = this.runs.find(({ run }) => run.runId === request.runId);
    if (found === undefined) {
      const { runId } = request;
      throw toConnectError(new DomainError("RUN_NOT_FOUND", `there is no run ${runId}`, { run_id: runId }));
    }
    this.asked.push({ method, request });
    return { run: { ...found.run, state } };
  }

  /** The same definition is stored once. */
  #stored(name: string, dag: Dag | undefined): StoredWorkflow {
    const version = createHash("sha256")
      .update(JSON.stringify([name, dag && toJson(DagSchema, dag)]))
      .digest("hex");
    const known = this.workflows.find((workflow) => workflow.version === version);
    if (known !== undefined) return known;
    const workflow = {
      workflowId: randomUUID(),
      version,
      name,
      createdAt: timestampNow(),
      ...(dag && { dag }),
    };
    this.workflows.push(workflow);
    return workflow;
  }

  #workflow(workflowId: string): StoredWorkflow {
    const workflow = this.workflows.find((candidate) => candidate.workflowId === workflowId);
    if (workflow !== undefined) return workflow;
    const metadata = { workflow_id: workflowId };
    throw toConnectError(new DomainError("WORKFLOW_NOT_FOUND", "there is no such workflow", metadata));
  }

  #schedule(scheduleId: string): StoredSchedule {
    const schedule = this.schedules.find((candidate) => candidate.scheduleId === scheduleId);
    if (schedule !== undefined) return schedule;
    const metadata = { schedule_id: scheduleId };
    throw toConnectError(new DomainError("SCHEDULE_NOT_FOUND", "there is no such schedule", metadata));
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
