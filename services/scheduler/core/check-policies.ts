/*
 * The bounds of a node's policies, as the comments in the contract state them.
 */
import type { FieldFault } from "../../../lib/errors/domain-error.ts";
import type { NodeDefinition } from "./definition.ts";
import { engineConfigFault, isEngineHandler } from "./engine-handler.ts";
import { maxItems } from "./items.ts";
import type { Json } from "./json.ts";
import { maxRetryDelayMs } from "./retry.ts";
import { compile } from "./template.ts";

const maxLimitMs = 365 * 24 * 60 * 60 * 1_000;
const maxAttempts = 1_000;
const maxNonRetryable = 100;
const maxConditionLength = 4 * 1024;
/** A worker has no more. */
const maxLabels = 4;
const maxPriority = 100;

/** The form of a queue's name, and of a label's key and value. */
export const queueForm = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;

/** Everything that is wrong with a node but its id, its handler, its dependencies and its templates. */
export function policyFaults(node: NodeDefinition, path: string): FieldFault[] {
  const faults: FieldFault[] = [];
  const check = (isGood: boolean, at: string, message: string) => {
    if (!isGood) faults.push({ path: path + at, reason: "FIELD_INVALID", message });
  };
  const { retry, timeoutMs, queueTimeoutMs, when, forEach, queue, labels = {}, priority = 0 } = node;
  if (retry !== undefined) {
    const { initialDelayMs, maxDelayMs, multiplier, jitter, nonRetryable } = retry;
    check(
      isBetween(retry.maxAttempts, 1, maxAttempts),
      ".retry.max_attempts",
      `is not from 1 to ${maxAttempts}`,
    );
    check(isBetween(initialDelayMs, 0, maxRetryDelayMs), ".retry.initial_delay", "is not from 0 to 7 days");
    check(isBetween(maxDelayMs, 0, maxRetryDelayMs), ".retry.max_delay", "is not from 0 to 7 days");
    check(isBetween(multiplier, 1, 100), ".retry.multiplier", "is not from 1 to 100");
    check(isBetween(jitter, 0, 1), ".retry.jitter", "is not from 0 to 1");
    const areShort =
      nonRetryable.length <= maxNonRetryable && nonRetryable.every(({ length }) => length <= 100);
    check(
      areShort,
      ".retry.non_retryable",
      `has more than ${maxNonRetryable} items, or one that is too long`,
    );
  }
  for (const [at, ms] of [
    [".timeout", timeoutMs],
    [".queue_timeout", queueTimeoutMs],
  ] as const) {
    if (ms !== undefined) check(isBetween(ms, 1, maxLimitMs), at, "is not from 1 ms to 365 days");
  }
  check(
    (when ?? "").length <= maxConditionLength,
    ".when",
    `is longer than ${maxConditionLength} characters`,
  );
  if (forEach !== undefined) {
    const { items, maxParallel = 1 } = forEach;
    check(mayBeList(items), ".for_each.items", "is neither a list nor a text that is one template");
    const isShort = !Array.isArray(items) || items.length <= maxItems;
    check(isShort, ".for_each.items", `has more than ${maxItems} items`);
    check(isBetween(maxParallel, 1, maxItems), ".for_each.max_parallel", `is not from 0 to ${maxItems}`);
  }
  check(queue === undefined || queueForm.test(queue), ".queue", `is not of the form ${queueForm.source}`);
  const pairs = Object.entries(labels);
  check(pairs.length <= maxLabels, ".labels", `has more than ${maxLabels} labels`);
  check(
    pairs.flat().every((text) => queueForm.test(text)),
    ".labels",
    `has one not of the form ${queueForm.source}`,
  );
  check(
    isBetween(priority, -maxPriority, maxPriority),
    ".priority",
    `is not from -${maxPriority} to ${maxPriority}`,
  );
  // What templates will be replaced by is not known yet.
  if (isEngineHandler(node.handler) && !JSON.stringify(node.config).includes("{{")) {
    const found = engineConfigFault(node.handler, node.config);
    if (found !== undefined) check(false, `.config${found.at}`, found.message);
  }
  return faults;
}

function isBetween(value: number, least: number, most: number): boolean {
  return value >= least && value <= most;
}

/** Whether items are a list, or a text that is one template: what is wrong within the template is said elsewhere. */
function mayBeList(items: Json): boolean {
  if (Array.isArray(items)) return true;
  const found = { references: [], faults: [] };
  const { kind } = compile(items, found);
  return typeof items === "string" && (kind === "value" || found.faults.length > 0);
}
