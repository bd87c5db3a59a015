import { fromJson, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { z } from "zod";
import {
  DagSchema,
  type InlineWorkflow,
  InlineWorkflowSchema,
  NodeSchema,
} from "../../../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { closest } from "../../../../lib/plain-form/closest.ts";
import { fromPlain } from "../../../../lib/plain-form/from-plain.ts";
import { jsonFaults } from "../../../../lib/rpc/strict-json.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";

/** The largest body with a definition, in bytes: as large as a message may be. */
export const maxDefinitionBytes = 8 * 1024 * 1024;

const policy = z.record(z.string(), z.unknown());

const node = z.looseObject({
  id: z.string().describe("Unique within the workflow; `[A-Za-z_][A-Za-z0-9_-]{0,62}`."),
  handler: z.string().describe("What carries the step out: a built-in handler, or one that a worker offers."),
  dependencies: z
    .array(z.string())
    .nullish()
    .describe("Ids of the nodes that must have completed first; none when absent."),
  config: policy
    .nullish()
    .describe("What the handler gets. Strings may hold templates such as `{{ A.data }}`."),
  retry: policy.nullish().describe("When a failed attempt is followed by another; none unless given."),
  retry_policy: z
    .object({
      max_attempts: z.int().min(1).default(3),
      initial_backoff_seconds: z.number().min(0).default(1),
      backoff_multiplier: z.number().min(1).default(2),
      max_backoff_seconds: z.number().min(0).default(10),
    })
    .nullish()
    .describe("The same in other words; `retry` goes first."),
  timeout: z
    .union([z.string(), z.number()])
    .nullish()
    .describe("How long an attempt may take: `90s`, `10m`."),
  timeout_seconds: z.number().positive().nullish().describe("The same in seconds; `timeout` goes first."),
  when: z.string().nullish().describe("A condition; the node is skipped when it is false."),
  on_failure: z.string().nullish().describe("`fail_run`, `continue` or `skip_dependents`."),
  for_each: z.unknown().optional().describe("A list, or a template of one: the node is done for each item."),
});

/** More would be refused by the scheduler; looking at each of a million costs seconds. */
const maxNodes = 10_000;

const nodes = z.preprocess((value, context) => {
  if (!Array.isArray(value) || value.length <= maxNodes) return value;
  context.addIssue({ code: "custom", message: `holds more than ${maxNodes} nodes` });
  return z.NEVER;
}, z.array(node));

/** The body that defines a workflow. */
export const definitionBody = z.looseObject({
  name: z.string().describe("For people; at most 200 characters."),
  dag: z.looseObject({
    nodes: nodes.describe("From 1 to 10,000 steps."),
    on_failure: z.string().nullish().describe("The node that is carried out when the run fails."),
  }),
  input_schema: z.unknown().optional().describe("A JSON Schema that the input of each run has to fulfil."),
});

type DefinitionBody = z.output<typeof definitionBody>;
type NodeBody = z.output<typeof node>;

/**
 * A body as the contract has definitions. Fields that the contract does not know
 * are left out, as the engines did, but for those that look like a slip of a
 * known one. Throws HttpRefusal 422 with every fault of its form; what a good
 * form means is for the scheduler to check.
 */
export function definitionOf({ name, dag, input_schema }: DefinitionBody): InlineWorkflow {
  const plain = {
    name,
    ...(input_schema !== undefined && { input_schema: input_schema as JsonValue }),
    dag: known(DagSchema, {
      ...(dag as JsonObject),
      nodes: dag.nodes.map((node) => known(NodeSchema, plainNode(node))),
    }),
  };
  const { json, faults } = fromPlain(InlineWorkflowSchema, plain);
  const all = [...faults, ...jsonFaults(InlineWorkflowSchema, json)];
  if (all.length === 0) return fromJson(InlineWorkflowSchema, json);
  throw new HttpRefusal(422, all.map(({ path, message }) => `${path}: ${message}`).join("; "), {
    reason: "FIELD_INVALID",
    fields: all.map(({ path, message }) => ({
      at: ["body", ...stepsOf(path)],
      type: "value_error",
      message,
    })),
  });
}

function plainNode({ retry_policy, timeout_seconds, ...rest }: NodeBody): JsonObject {
  const { retry, timeout, config } = rest;
  return {
    ...(rest as JsonObject),
    config: (config ?? {}) as JsonObject,
    ...(retry_policy && !retry && { retry: retryOf(retry_policy) }),
    ...(timeout_seconds && timeout === undefined && { timeout: timeout_seconds }),
  };
}

function retryOf(policy: NonNullable<NodeBody["retry_policy"]>): JsonObject {
  return {
    max_attempts: policy.max_attempts,
    initial_delay: policy.initial_backoff_seconds,
    multiplier: policy.backoff_multiplier,
    max_delay: policy.max_backoff_seconds,
    jitter: 0,
  };
}

/** The object without what no field of the message is called, or nearly. */
function known({ fields }: typeof DagSchema | typeof NodeSchema, object: JsonObject): JsonObject {
  const names = fields.flatMap(({ name, jsonName }) => [name, jsonName]);
  return Object.fromEntries(
    Object.entries(object).filter(([key]) => names.includes(key) || closest(key, names) !== undefined),
  );
}

/** `dag.nodes[2].id` as `["dag", "nodes", 2, "id"]`. */
function stepsOf(path: string): (string | number)[] {
  return path
    .split(/[.[\]]+/)
    .filter((step) => step !== "")
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}
