import { z } from "zod";
import type { FetchProgramResponse } from "../../../gen/antiphon/worker/v1/worker_service_pb.ts";
import {
  type EnvironmentSpec,
  flowEnvironment,
  programEnvironment,
} from "../environment/environment-spec.ts";
import type { JsonValue } from "../sandbox/program-message.ts";

/** A program as it is to be run. */
export interface ProgramFile {
  readonly fileName: string;
  readonly content: Uint8Array;
  /** As the shim calls it. */
  readonly kind: "program" | "waldiez";
  readonly arguments: readonly string[];
  /** What it finds in its environment besides the usual. */
  readonly variables: Readonly<Record<string, string>>;
  /** What a flow is first told in place of its own first message; empty: that. */
  readonly message: string;
  readonly environment: EnvironmentSpec;
  readonly wallMs: number;
  readonly input: JsonValue;
}

/** The program cannot be run as it is; the message is for who submitted it. */
export class ProgramRefused extends Error {
  override readonly name = "ProgramRefused";
}

/** The config of a node with the handler `program`; the file itself is fetched. */
const configForm = z.object({
  file_name: z
    .string()
    .max(200)
    .regex(/^[^/\0]+\.(py|waldiez)$/, "must be the name of a .py or .waldiez file, without a path"),
  arguments: z.array(z.string()).max(100).default([]),
  requirements: z.array(z.string()).max(100).default([]),
  skip_requirements: z.boolean().default(false),
  message: z.string().default(""),
  wall_time_ms: z
    .number()
    .positive()
    .max(7 * 86_400_000)
    .default(3_600_000),
});

/**
 * Puts together what is to be run.
 *
 * @throws ProgramRefused, or EnvironmentError `REQUIREMENT_INVALID`.
 */
export function programFile(config: Uint8Array, { program, input }: FetchProgramResponse): ProgramFile {
  const parsed = configForm.safeParse(parseJson(config, "the config"));
  if (!parsed.success) throw new ProgramRefused(`the config is invalid: ${z.prettifyError(parsed.error)}`);
  const { file_name: fileName, requirements, skip_requirements: skipListed, message } = parsed.data;
  const content = program?.content ?? new Uint8Array();
  const kind = fileName.endsWith(".waldiez") ? "waldiez" : "program";
  const ofFlow =
    kind === "waldiez" ? flowEnvironment(parseJson(content, fileName), { skipListed }).requirements : [];
  return {
    fileName,
    content,
    kind,
    arguments: parsed.data.arguments,
    variables: program?.env ?? {},
    message,
    environment: programEnvironment([...ofFlow, ...requirements]),
    wallMs: parsed.data.wall_time_ms,
    input: input.length === 0 ? null : parseJson(input, "the input"),
  };
}

function parseJson(bytes: Uint8Array, name: string): JsonValue {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ProgramRefused(`${name} is not JSON`, { cause: error });
  }
}
