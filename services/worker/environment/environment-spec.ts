import { createHash } from "node:crypto";
import { flowRequirements } from "./flow-requirements.ts";
import { canonicalRequirements } from "./requirement.ts";

/** Raised when the same requirements are to be built differently; older environments then go unused and away. */
const formatVersion = 1;

/** What a program needs besides the interpreter and its standard library. */
export interface EnvironmentSpec {
  /** Canonical, sorted, without repeats; empty for the interpreter as it is. */
  readonly requirements: readonly string[];
}

/**
 * The spec of a plain Python program.
 *
 * @throws EnvironmentError `REQUIREMENT_INVALID`.
 */
export function programEnvironment(requirements: readonly string[] = []): EnvironmentSpec {
  return { requirements: canonicalRequirements(requirements) };
}

/**
 * The spec of a Waldiez flow, given as the parsed file. With `skipListed` without
 * what the flow itself asks for.
 *
 * @throws EnvironmentError `REQUIREMENT_INVALID`.
 */
export function flowEnvironment(flow: unknown, how: { readonly skipListed?: boolean } = {}): EnvironmentSpec {
  return { requirements: canonicalRequirements(flowRequirements(flow, how)) };
}

/** The name of an environment by its content: 64 hexadecimal digits. */
export function environmentDigest(
  spec: EnvironmentSpec,
  interpreter: { readonly version: string; readonly platform: string },
): string {
  const content = JSON.stringify([
    formatVersion,
    interpreter.version,
    interpreter.platform,
    spec.requirements,
  ]);
  return createHash("sha256").update(content).digest("hex");
}
