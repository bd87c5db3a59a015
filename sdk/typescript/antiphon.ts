import { type Client, createClient } from "@connectrpc/connect";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import type { Credentials } from "./access-token.ts";
import { connect } from "./connection.ts";
import { jsonBytes } from "./json-bytes.ts";
import { Run } from "./run.ts";
import { RunWatch, type WatchRunOptions } from "./run-watch.ts";
import { type Submission, submissionMessage } from "./submission.ts";
import { Task } from "./task.ts";
import { type TlsFiles, tlsFilesIn } from "./tls-files.ts";
import { type WorkflowDefinition, workflowMessage } from "./workflow.ts";

export type { Credentials } from "./access-token.ts";
export { AnswerRefused } from "./answers-in-flight.ts";
export type { Attachment } from "./attachment.ts";
export { type Fault, isForeignServer, isUnreachable, type Refusal, refusalOf } from "./refusal.ts";
export { Run, RunNotCompleted } from "./run.ts";
export { isFinalRun, type RunEvent, RunWatch } from "./run-watch.ts";
export { type Submission, submissionMessage } from "./submission.ts";
export { isFinalTask, Task, TaskNotCompleted } from "./task.ts";
export {
  type OutputStream,
  type PromptEvent,
  type TaskEvent,
  type TranscriptEvent,
  transcriptEvent,
} from "./task-event.ts";
export type { TlsFiles } from "./tls-files.ts";
export type { NodeDefinition, RetryDefinition, WorkflowDefinition } from "./workflow.ts";

/** Where a server is and who calls it. */
export interface AntiphonOptions {
  /** `http://host:port`, or `https://…`. Default: `ANTIPHON_URL`, else `http://127.0.0.1:8000`. */
  readonly url?: string;
  /** Default: `ANTIPHON_TOKEN`, else `ANTIPHON_CLIENT_ID` and `ANTIPHON_CLIENT_SECRET`. */
  readonly credentials?: Credentials;
  /** Default: what `ANTIPHON_TLS_CA`, `ANTIPHON_TLS_CERT` and `ANTIPHON_TLS_KEY` name. */
  readonly tls?: TlsFiles;
}

/** How a run is started. */
export interface StartOptions {
  /** What templates find as `input`: any JSON value. */
  readonly input?: unknown;
  /** Whether it waits until it is resumed. */
  readonly hold?: boolean;
  /** From -100 to 100: among the tasks of one client higher goes first. */
  readonly priority?: number;
  /** To find it by. */
  readonly labels?: Readonly<Record<string, string>>;
  /** The caller's own id of this request: a repeat under it, also by another process, finds the same run. */
  readonly requestId?: string;
}

/**
 * A client of an Antiphon server: the calls of the contract as they are, and
 * tasks and runs that are followed across broken connections. Gets and renews
 * its token by itself. Disposing of it ends the calls that are open.
 */
export class Antiphon implements Disposable {
  /** Where the server is. */
  readonly url: string;
  readonly auth: Client<typeof AuthService>;
  readonly scheduler: Client<typeof SchedulerService>;
  readonly taskio: Client<typeof TaskIOService>;
  readonly workers: Client<typeof WorkerService>;
  readonly #connection: ReturnType<typeof connect>;

  /** Throws when no credentials are given or found, or a file of `tls` can not be read. Connects with the first call. */
  constructor({ url, credentials, tls }: AntiphonOptions = {}) {
    this.url = url ?? process.env["ANTIPHON_URL"] ?? "http://127.0.0.1:8000";
    this.#connection = connect(
      this.url,
      credentials ?? credentialsOf(process.env),
      tls ?? tlsFilesIn(process.env),
    );
    const { transport } = this.#connection;
    this.auth = createClient(AuthService, transport);
    this.scheduler = createClient(SchedulerService, transport);
    this.taskio = createClient(TaskIOService, transport);
    this.workers = createClient(WorkerService, transport);
  }

  /** A token of this client, for callers that speak to the server without this SDK: `authorization: Bearer …`. */
  token(): Promise<string> {
    return this.#connection.token();
  }

  /** Hands a program in. Resolves when it is stored, before it runs. */
  async submit(submission: Submission): Promise<Task> {
    const { task } = await this.scheduler.submitTask(await submissionMessage(submission));
    if (task === undefined) throw new TypeError("the server answered no task");
    return this.task(task.taskId);
  }

  /** A task by its id. Asks nothing. */
  task(taskId: string): Task {
    return new Task(this, taskId);
  }

  /** Starts a run of a workflow: the newest stored one of a name, the one with an id, or a definition that is sent along. Resolves when it is stored. */
  async start(
    workflow: string | { readonly id: string } | WorkflowDefinition,
    { input, labels, ...options }: StartOptions = {},
  ): Promise<Run> {
    const { run } = await this.scheduler.startRun({
      ...workflowNamed(workflow),
      ...options,
      labels: { ...labels },
      ...(input !== undefined && { input: jsonBytes(input) }),
    });
    if (run === undefined) throw new TypeError("the server answered no run");
    return this.run(run.runId);
  }

  /** A run by its id. Asks nothing. */
  run(runId: string): Run {
    return new Run(this.scheduler, runId);
  }

  /** Follows runs, 100 at most, until all have ended: how each stands, then every change once and in order. Survives broken connections. */
  watchRuns(runIds: readonly string[], options?: WatchRunOptions): RunWatch {
    return new RunWatch(this.scheduler, runIds, options);
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }
}

function workflowNamed(workflow: string | { readonly id: string } | WorkflowDefinition) {
  if (typeof workflow === "string") return { workflowName: workflow };
  return "id" in workflow ? { workflowId: workflow.id } : { workflow: workflowMessage(workflow) };
}

function credentialsOf(env: NodeJS.ProcessEnv): Credentials {
  const { ANTIPHON_TOKEN: token, ANTIPHON_CLIENT_ID: clientId, ANTIPHON_CLIENT_SECRET: clientSecret } = env;
  if (token !== undefined) return { token };
  if (clientId !== undefined && clientSecret !== undefined) return { clientId, clientSecret };
  throw new TypeError("no credentials: set ANTIPHON_TOKEN, or ANTIPHON_CLIENT_ID and ANTIPHON_CLIENT_SECRET");
}
