import type { DescService } from "@bufbuild/protobuf";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";

/** What a token is good for, as its `aud` claim has it. */
export type TokenAudience = "tasks-api" | "clients-api" | "admin-api" | "workers-api" | "internal";

/** What a token may be used for, as its `scope` claim has it: to look; to create, change, end and remove; to answer prompts. */
export const allScopes = ["read", "write", "answer"] as const;

export type Scope = (typeof allScopes)[number];

/**
 * Who may call: anybody, or whoever bears a token for one of the audiences and
 * with the scope. "any" means every audience that clients have, so not
 * `internal`; "none" means that a token without any scope will do.
 */
export type Access =
  | "open"
  | { readonly audiences: readonly TokenAudience[] | "any"; readonly scope: Scope | "none" };

/**
 * Who may call what: by `<service type name>/<method name>`, or by `<service type
 * name>` for every method that is not named itself. A procedure that no rule
 * names is refused.
 */
export type AccessRules = Readonly<Record<string, Access>>;

/** For services that only services call. */
export const internalOnly: Access = { audiences: ["internal"], scope: "none" };

/** For the answers to a task's prompts, whichever way they come. */
export const answering: Access = { audiences: ["tasks-api", "admin-api"], scope: "answer" };

const look = { audiences: ["tasks-api", "admin-api"], scope: "read" } as const;
const change = { audiences: ["tasks-api", "admin-api"], scope: "write" } as const;
const lookAtClients = { audiences: ["clients-api", "admin-api"], scope: "read" } as const;
const changeClients = { audiences: ["clients-api", "admin-api"], scope: "write" } as const;
const work = { audiences: ["workers-api"], scope: "none" } as const;

/** Who may call each public procedure. A procedure does not compile until it stands here. */
export const publicAccess: AccessRules = {
  ...rulesOf(AuthService, {
    // They need the credentials or the token that they are given in the request.
    issueToken: "open",
    refreshToken: "open",
    revokeToken: "open",
    introspectToken: "open",
    exchangeToken: "open",
    listIssuers: "open",
    whoAmI: { audiences: "any", scope: "none" },
    createClient: changeClients,
    getClient: lookAtClients,
    listClients: lookAtClients,
    updateClient: changeClients,
    rotateClientSecret: changeClients,
    deleteClient: changeClients,
    rotateSigningKey: { audiences: ["admin-api"], scope: "write" },
    listAuditEntries: { audiences: ["admin-api"], scope: "read" },
  }),
  ...rulesOf(SchedulerService, {
    submitTask: change,
    getTask: look,
    listTasks: look,
    countTasks: look,
    cancelTask: change,
    downloadResults: look,
    uploadFile: change,
    getUpload: look,
    createWorkflow: change,
    validateWorkflow: look,
    getWorkflow: look,
    listWorkflows: look,
    deleteWorkflow: change,
    startRun: change,
    getRun: look,
    listRuns: look,
    watchRun: look,
    listRunEvents: look,
    getRunResults: look,
    cancelRun: change,
    pauseRun: change,
    resumeRun: change,
    rerunRun: change,
    signalRun: change,
    deleteRun: change,
    createSchedule: change,
    getSchedule: look,
    listSchedules: look,
    updateSchedule: change,
    triggerSchedule: change,
    deleteSchedule: change,
    getServerStatus: { audiences: ["tasks-api", "clients-api", "admin-api"], scope: "read" },
  }),
  ...rulesOf(WorkerService, {
    heartbeat: work,
    fetchProgram: work,
    fetchConfig: work,
    storeOutput: work,
    storeArtifact: work,
    listWorkers: { audiences: ["tasks-api", "admin-api", "workers-api"], scope: "read" },
  }),
  ...rulesOf(TaskIOService, {
    // Each answer in the stream is held to `answering` besides.
    attach: look,
    watch: look,
    sendInput: answering,
    getTranscript: look,
  }),
};

/** What the table of public procedures says of one service. */
export function publicAccessOf({ typeName }: DescService): AccessRules {
  return Object.fromEntries(Object.entries(publicAccess).filter(([name]) => name.startsWith(`${typeName}/`)));
}

function rulesOf<Service extends DescService>(
  { typeName, method }: Service,
  rules: Readonly<Record<keyof Service["method"], Access>>,
): AccessRules {
  const byLocalName: Readonly<Record<string, Access>> = rules;
  const methods = Object.entries(method);
  return Object.fromEntries(
    methods.flatMap(([localName, { name }]) => {
      const access = byLocalName[localName];
      return access === undefined ? [] : [[`${typeName}/${name}`, access] as const];
    }),
  );
}
