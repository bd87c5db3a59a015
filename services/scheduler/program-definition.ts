/*
 * A submitted program as the definition of a run with the single node `main`,
 * and the program of a node that brings its own source.
 */
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Program, ProgramSchema } from "../../gen/antiphon/scheduler/v1/task_pb.ts";
import { mainNode } from "../../lib/ids/task-id.ts";
import type { Definition } from "./core/definition.ts";
import { isJsonObject, type Json, type JsonObject, jsonBytes } from "./core/json.ts";
import type { TaskProgram } from "./program-env.ts";

/** How long a program may run when nothing else is said. */
export const defaultWallTimeMs = 60 * 60 * 1_000;

/** The longest that a program may be allowed to run: 7 days. */
export const maxWallTimeMs = 7 * 24 * 60 * 60 * 1_000;

/** The longest that a question may be given to wait for its answer: 30 days. */
export const maxPromptTimeoutMs = 30 * 24 * 60 * 60 * 1_000;

/** The definition that a submission runs as. The file itself and its environment are stored apart. */
export function definitionOfProgram(program: Program): Definition {
  const {
    fileName,
    arguments: given,
    requirements,
    wallTime,
    promptTimeout,
    message,
    skipRequirements,
  } = program;
  const config = {
    file_name: fileName,
    arguments: given,
    requirements,
    wall_time_ms: wallTime === undefined ? defaultWallTimeMs : durationMs(wallTime),
    ...(promptTimeout && { prompt_timeout_ms: durationMs(promptTimeout) }),
    ...(message !== "" && { message }),
    ...(skipRequirements && { skip_requirements: true }),
  };
  return { name: fileName, nodes: [{ id: mainNode, handler: "program", dependencies: [], config }] };
}

/** The program that a node's config describes, with what is stored apart of it, and the node's own input where it has one. */
export function programOf(
  config: JsonObject,
  stored: TaskProgram | undefined,
): { program: Program; input: Json | undefined } {
  const { file_name: fileName, source, message, input } = config;
  const { content, env } = stored ?? {
    content: new TextEncoder().encode(typeof source === "string" ? source : ""),
    env: {},
  };
  const program = create(ProgramSchema, {
    fileName: typeof fileName === "string" ? fileName : "",
    content,
    env,
    message: typeof message === "string" ? message : "",
    skipRequirements: config["skip_requirements"] === true,
    arguments: textsOf(config["arguments"]),
    requirements: textsOf(config["requirements"]),
  });
  return { program, input };
}

/** A node's input as bytes; empty when there is none. */
export function inputBytes(input: Json | undefined): Uint8Array {
  return input === undefined || input === null ? new Uint8Array() : jsonBytes(input);
}

/** What is wrong with the config of a node that runs a program, as pairs of a path within the config and a message. */
export function programConfigFaults(config: JsonObject): { readonly at: string; readonly message: string }[] {
  const faults: { at: string; message: string }[] = [];
  const known = new Set([
    "file_name",
    "source",
    "arguments",
    "requirements",
    "wall_time_ms",
    "prompt_timeout_ms",
    "input",
  ]);
  for (const key of Object.keys(config)) {
    if (!known.has(key)) faults.push({ at: `.${key}`, message: "is not a field of a program" });
  }
  const { file_name: fileName, source } = config;
  const { wall_time_ms: wallTimeMs, prompt_timeout_ms: promptTimeoutMs } = config;
  if (typeof fileName !== "string" || !isPythonFile(fileName)) {
    faults.push({ at: ".file_name", message: "is not the name of a .py file" });
  }
  if (typeof source !== "string" || source === "")
    faults.push({ at: ".source", message: "is not the text of a program" });
  if (wallTimeMs !== undefined && !isTime(wallTimeMs, maxWallTimeMs)) {
    faults.push({ at: ".wall_time_ms", message: `is not a number from 1000 to ${maxWallTimeMs}` });
  }
  if (promptTimeoutMs !== undefined && !isTime(promptTimeoutMs, maxPromptTimeoutMs)) {
    faults.push({ at: ".prompt_timeout_ms", message: `is not a number from 1000 to ${maxPromptTimeoutMs}` });
  }
  for (const key of ["arguments", "requirements"] as const) {
    const value = config[key];
    if (
      value !== undefined &&
      !(Array.isArray(value) && value.every((item: Json) => typeof item === "string"))
    ) {
      faults.push({ at: `.${key}`, message: "is not a list of texts" });
    }
  }
  return faults;
}

/** Whether a text is the plain name of a Python file. */
export function isPythonFile(name: string): boolean {
  return /^[^/\\\0]{1,197}\.py$/.test(name) && !name.startsWith(".");
}

function isTime(value: Json, maxMs: number): boolean {
  return typeof value === "number" && Number.isInteger(value) && value >= 1_000 && value <= maxMs;
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) && !isJsonObject(value)
    ? value.filter((item: Json) => typeof item === "string")
    : [];
}
