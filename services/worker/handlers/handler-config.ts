import type { z } from "zod";
import type { Failure } from "../outcome.ts";

/**
 * Reads a node's config, in which the templates are replaced. What does not fit
 * is a failure that names every fault by its key and holds none of the values.
 */
export function handlerConfig<Schema extends z.ZodType>(
  schema: Schema,
  config: Uint8Array,
): { readonly kind: "config"; readonly config: z.output<Schema> } | Failure {
  const read = schema.safeParse(JSON.parse(Buffer.from(config).toString("utf8")));
  if (read.success) return { kind: "config", config: read.data };
  return configInvalid(read.error.issues.flatMap(faultsOf));
}

/** The failure of a node whose config has these faults, each as `key: what is wrong`. */
export function configInvalid(faults: readonly string[]): Failure {
  const message = faults.map((fault) => `config.${fault}`).join("; ");
  return { kind: "failed", reason: "CONFIG_INVALID", message, nonRetryable: true };
}

function faultsOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => `${key.slice(0, 100)}: is not known`);
  const path = issue.path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`))
    .join("");
  return [`${path.slice(1)}: ${issue.message}`];
}
