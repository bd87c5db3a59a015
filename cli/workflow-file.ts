import { basename, extname } from "node:path";
import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { type InlineWorkflow, InlineWorkflowSchema } from "../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { fromPlain } from "../lib/plain-form/from-plain.ts";
import { jsonFaults } from "../lib/rpc/strict-json.ts";
import type { Fault } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { readDocument, type SourceDocument } from "./document.ts";
import { exitCode } from "./exit-code.ts";

/** A definition as its file has it. */
export interface WorkflowFile {
  readonly definition: InlineWorkflow;
  /** A fault with the place in the file where it is. */
  readonly placed: (fault: Fault) => Fault;
}

/**
 * Reads a workflow's definition from a JSON or YAML file (`-`: standard input):
 * `{name, input_schema, dag: {nodes, on_failure}}`, or without the `dag` around
 * its nodes. Its name is the file's when it has none. Throws CommandFailure,
 * with every fault, its path and its place, when the file is not one; what a
 * good file means is for the server to check.
 */
export async function readWorkflowFile(file: string): Promise<WorkflowFile> {
  const document = await readDocument(file);
  if (!isObject(document.value)) {
    throw refusal(file, [{ path: "", reason: "FIELD_INVALID", message: "must be an object with a dag" }]);
  }
  const placed = placedIn(document);
  const name = file === "-" ? "workflow" : basename(file, extname(file));
  const { json, faults } = fromPlain(InlineWorkflowSchema, withDag({ name, ...document.value }));
  const all = [...faults, ...jsonFaults(InlineWorkflowSchema, json)];
  if (all.length > 0) throw refusal(file, all.map(placed));
  return { definition: fromJson(InlineWorkflowSchema, json), placed };
}

/** Puts what belongs to the DAG below `dag`, unless the file does. */
function withDag(definition: JsonObject): JsonObject {
  const { nodes, on_failure, onFailure, ...rest } = definition;
  if (nodes === undefined || "dag" in rest) return definition;
  const end = on_failure ?? onFailure;
  return { ...rest, dag: { nodes, ...(end !== undefined && { on_failure: end }) } };
}

function placedIn({ placeOf }: SourceDocument): (fault: Fault) => Fault {
  return (fault) => {
    const place = placeOf(fault.path);
    return place === "" ? fault : { ...fault, message: `${fault.message}, at ${place}` };
  };
}

function refusal(file: string, faults: readonly Fault[]): CommandFailure {
  return new CommandFailure(`${file} is no definition of a workflow`, {
    exitCode: exitCode.failed,
    reason: "FIELD_INVALID",
    faults,
  });
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
