import { readFile } from "node:fs/promises";
import { basename, extname } from "node:path";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { LineCounter, parseDocument } from "yaml";
import {
  type CreateWorkflowRequest,
  CreateWorkflowRequestSchema,
} from "../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { jsonFaults } from "../lib/rpc/strict-json.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** A definition as its file has it. */
export type WorkflowDefinition = Pick<CreateWorkflowRequest, "name" | "dag">;

/** A larger one would not fit a message of the contract. */
const mostBytes = 8 * 1024 * 1024;

/**
 * Reads a workflow's definition from a JSON or YAML file, by its ending. Its
 * name is the file's when it has none. Throws CommandFailure, with every fault
 * and its path, when the file is not one; what a good file means is for the
 * server to check.
 */
export async function readWorkflowFile(file: string): Promise<WorkflowDefinition> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const what = cause.code === "ENOENT" ? "there is no such file" : "it can not be read";
    throw new CommandFailure(`${file}: ${what}`, {
      exitCode: exitCode.usage,
      reason: cause.code ?? "",
      cause,
    });
  });
  if (text.length > mostBytes) throw invalid(`${file}: it is larger than 8 MiB`);
  const isYaml = [".yaml", ".yml"].includes(extname(file));
  const content = isYaml ? parsedYaml(file, text) : parsedJson(file, text);
  if (!isRecord(content)) throw invalid(`${file}: it is no object with a name and a dag`);
  const definition = configsEncoded({ name: basename(file, extname(file)), ...content });
  const faults = jsonFaults(CreateWorkflowRequestSchema, definition);
  if (faults.length > 0) {
    throw new CommandFailure(`${file} is no definition of a workflow`, {
      exitCode: exitCode.failed,
      reason: "FIELD_INVALID",
      faults,
    });
  }
  return fromJson(CreateWorkflowRequestSchema, definition);
}

function parsedJson(file: string, text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid(`${file}: it is not JSON: ${(error as Error).message}`);
  }
}

function parsedYaml(file: string, text: string): JsonValue {
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: true });
  const [error] = document.errors;
  if (error !== undefined) throw invalid(`${file}: it is not YAML: ${error.message.split("\n", 1)[0]}`);
  try {
    return document.toJS() as JsonValue;
  } catch (error) {
    throw invalid(`${file}: it is not YAML: ${(error as Error).message}`);
  }
}

/** In the file a config is an object; in the contract it is JSON in bytes, which proto's JSON writes in base64. */
function configsEncoded(definition: Record<string, JsonValue>): Record<string, JsonValue> {
  const { dag } = definition;
  if (!isRecord(dag) || !Array.isArray(dag["nodes"])) return definition;
  return { ...definition, dag: { ...dag, nodes: dag["nodes"].map(configEncoded) } };
}

function configEncoded(node: JsonValue): JsonValue {
  if (!isRecord(node) || !("config" in node)) return node;
  return { ...node, config: Buffer.from(JSON.stringify(node["config"])).toString("base64") };
}

function isRecord(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): CommandFailure {
  return new CommandFailure(message, { exitCode: exitCode.failed, reason: "FIELD_INVALID" });
}
