import type { StartRunRequest } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import { isRunId } from "../../../lib/ids/task-id.ts";
import { sha256 } from "../content-digest.ts";
import { canonicalText } from "../core/definition.ts";
import { type Json, parseJson } from "../core/json.ts";
import type { Plan } from "../core/plan.ts";
import type { WorkflowStore } from "../workflow-store.ts";
import type { Owning } from "./access.ts";
import { definitionOf, refuse } from "./validate.ts";

export interface StartSourceDeps {
  readonly workflows: Pick<WorkflowStore, "find" | "keep">;
  readonly planOf: (workflowId: string) => Promise<Plan>;
  /** Handlers that are built in or that some worker ever offered. */
  readonly knownHandlers: () => Promise<ReadonlySet<string>>;
}

/** The stored workflow that is started. */
export interface FoundWorkflow {
  readonly workflowId: string;
  readonly workflowVersion: string;
}

/** Finds what a run is started of. */
export interface StartSource {
  /**
   * The stored workflow that a request names or brings along; undefined when there
   * is none that the caller may start. Throws the faults of a definition that it
   * brings along, and of an input that is not as the workflow's schema wants it;
   * paths begin at the request, or at `root`.
   */
  readonly find: (
    caller: Owning,
    request: Pick<StartRunRequest, "workflowId" | "workflowName" | "workflow" | "input">,
    root?: string,
  ) => Promise<FoundWorkflow | undefined>;
}

export function startSource({ workflows, planOf, knownHandlers }: StartSourceDeps): StartSource {
  const stored = async (
    caller: Owning,
    { workflowId, workflowName }: Pick<StartRunRequest, "workflowId" | "workflowName">,
  ): Promise<FoundWorkflow | undefined> => {
    const isId = isRunId(workflowId);
    // No stored name holds a NUL, which Postgres could not be asked for.
    if (!isId && (workflowName === "" || workflowName.includes("\0"))) return undefined;
    const clientId = caller.admin && isId ? undefined : caller.clientId;
    const found = await workflows.find(clientId, isId ? { workflowId } : { name: workflowName });
    return found && { workflowId: found.workflowId, workflowVersion: found.version };
  };

  return {
    async find(caller, request, root = "") {
      let found: FoundWorkflow | undefined;
      if (request.workflow === undefined) {
        found = await stored(caller, request);
      } else {
        const known = await knownHandlers();
        const { definition, faults } = definitionOf(
          request.workflow,
          (handler) => known.has(handler),
          `${root}workflow.`,
        );
        refuse(faults);
        const { clientId } = caller;
        const version = sha256(canonicalText(definition));
        const workflowId = derivedUuid("workflow", clientId, version);
        await workflows.keep({ workflowId, clientId, version, definition });
        found = { workflowId, workflowVersion: version };
      }
      if (found === undefined) return undefined;
      const { inputSchema } = await planOf(found.workflowId);
      const faults = inputSchema?.check(inputOf(request.input)) ?? [];
      refuse(
        faults.map(({ at, message }) => ({ path: `${root}input${at}`, reason: "FIELD_INVALID", message })),
      );
      return found;
    },
  };
}

function inputOf(bytes: Uint8Array): Json {
  const parsed = bytes.length === 0 ? { value: {} } : parseJson(bytes);
  return "value" in parsed ? parsed.value : null;
}
