import { existsSync } from "node:fs";
import { extname } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StartRunRequestSchema } from "../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import type { InlineWorkflow, Workflow } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import type { Antiphon } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { ambiguous, isWholeId } from "./task-id.ts";
import { readWorkflowFile, type WorkflowFile } from "./workflow-file.ts";

/** A workflow as a user names it. */
export type WorkflowReference =
  | { readonly kind: "file"; readonly file: WorkflowFile }
  | { readonly kind: "id"; readonly workflowId: string }
  | {
      /** The newest stored one of this name is meant. */
      readonly kind: "name";
      readonly name: string;
    };

/** Tells a file (by its ending, a `/`, or that there is one; `-` is standard input) from an id and a name, and reads the file. */
export async function workflowReference(typed: string): Promise<WorkflowReference> {
  const isFile = [".json", ".yaml", ".yml"].includes(extname(typed)) || typed.includes("/") || typed === "-";
  if (isFile) return { kind: "file", file: await readWorkflowFile(typed) };
  if (isWholeId(typed)) return { kind: "id", workflowId: typed };
  if (existsSync(typed)) return { kind: "file", file: await readWorkflowFile(typed) };
  return { kind: "name", name: typed };
}

/** What StartRun calls it. */
export function startedBy(
  reference: WorkflowReference,
): Pick<MessageInitShape<typeof StartRunRequestSchema>, "workflow" | "workflowId" | "workflowName"> {
  if (reference.kind === "file") return { workflow: reference.file.definition };
  if (reference.kind === "id") return { workflowId: reference.workflowId };
  return { workflowName: reference.name };
}

/** A stored workflow by its id, the name of the newest, or the beginning of an id. Throws CommandFailure when there is none. */
export async function storedWorkflow(antiphon: Antiphon, typed: string): Promise<Workflow> {
  const workflowId = isWholeId(typed) ? typed : await idOf(antiphon, typed);
  const { workflow } = await antiphon.scheduler.getWorkflow({ workflowId });
  if (workflow === undefined) throw new TypeError("the server answered no workflow");
  return workflow;
}

/** The definition that a reference means. */
export async function definitionOf(
  antiphon: Antiphon,
  reference: WorkflowReference,
): Promise<Pick<InlineWorkflow, "name" | "dag"> | Workflow> {
  if (reference.kind === "file") return reference.file.definition;
  return await storedWorkflow(antiphon, reference.kind === "id" ? reference.workflowId : reference.name);
}

async function idOf(antiphon: Antiphon, typed: string): Promise<string> {
  const named = await antiphon.scheduler.listWorkflows({ name: typed, pageSize: 1 });
  if (named.workflows[0] !== undefined) return named.workflows[0].workflowId;
  const isBeginning = /^[0-9a-f][0-9a-f-]{3,34}$/i.test(typed);
  const { workflows } = isBeginning
    ? await antiphon.scheduler.listWorkflows({ pageSize: 1_000 })
    : { workflows: [] };
  const begun = workflows.map(({ workflowId }) => workflowId).filter((id) => id.startsWith(typed));
  if (begun.length === 1 && begun[0] !== undefined) return begun[0];
  if (begun.length > 1) throw ambiguous(typed, begun);
  throw new CommandFailure(`there is no workflow ${typed}`, {
    exitCode: exitCode.notFound,
    reason: "WORKFLOW_NOT_FOUND",
    hint: "antiphon workflow list",
  });
}
