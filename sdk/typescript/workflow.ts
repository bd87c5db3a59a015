import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  FailurePolicy,
  type InlineWorkflowSchema,
  type NodeSchema,
} from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";
import { jsonBytes } from "./json-bytes.ts";

/** Steps to carry out, sent along with the call that starts them. What each field means and may hold is in `antiphon/scheduler/v1/workflow.proto`. */
export interface WorkflowDefinition {
  readonly name: string;
  readonly nodes: readonly NodeDefinition[];
  /** The node that is carried out when the run fails. */
  readonly onFailure?: string;
  /** A JSON Schema for the input. */
  readonly inputSchema?: unknown;
}

/** One step. */
export interface NodeDefinition {
  readonly id: string;
  readonly handler: string;
  readonly dependencies?: readonly string[];
  /** What the handler gets: an object; strings in it may hold templates. */
  readonly config?: unknown;
  readonly retry?: RetryDefinition;
  readonly timeoutMs?: number;
  readonly queueTimeoutMs?: number;
  /** A condition in CEL. */
  readonly when?: string;
  /** Default: `fail_run`. */
  readonly onFailure?: "fail_run" | "continue" | "skip_dependents";
  /** A list, or a string that is one template. */
  readonly forEach?: { readonly items: readonly unknown[] | string; readonly maxParallel?: number };
  readonly queue?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly priority?: number;
  readonly replayInput?: boolean;
}

/** When and how often a failed attempt is followed by another; the contract's defaults where unset. */
export interface RetryDefinition {
  readonly maxAttempts?: number;
  readonly initialDelayMs?: number;
  readonly multiplier?: number;
  readonly maxDelayMs?: number;
  readonly jitter?: number;
  readonly nonRetryable?: readonly string[];
}

/** A definition as the contract has it. */
export function workflowMessage({
  name,
  nodes,
  onFailure = "",
  inputSchema,
}: WorkflowDefinition): MessageInitShape<typeof InlineWorkflowSchema> {
  return {
    name,
    dag: { nodes: nodes.map(nodeMessage), onFailure },
    ...(inputSchema !== undefined && { inputSchema: jsonBytes(inputSchema) }),
  };
}

const policies = {
  fail_run: FailurePolicy.FAIL_RUN,
  continue: FailurePolicy.CONTINUE,
  skip_dependents: FailurePolicy.SKIP_DEPENDENTS,
} as const;

function nodeMessage(node: NodeDefinition): MessageInitShape<typeof NodeSchema> {
  const { config, retry, timeoutMs, queueTimeoutMs, onFailure, forEach, ...rest } = node;
  return {
    ...rest,
    dependencies: [...(node.dependencies ?? [])],
    labels: { ...node.labels },
    ...(config !== undefined && { config: jsonBytes(config) }),
    ...(retry !== undefined && { retry: retryMessage(retry) }),
    ...(timeoutMs !== undefined && { timeout: durationFromMs(timeoutMs) }),
    ...(queueTimeoutMs !== undefined && { queueTimeout: durationFromMs(queueTimeoutMs) }),
    ...(onFailure !== undefined && { onFailure: policies[onFailure] }),
    ...(forEach !== undefined && {
      forEach: { items: jsonBytes(forEach.items), maxParallel: forEach.maxParallel ?? 0 },
    }),
  };
}

function retryMessage({ initialDelayMs, maxDelayMs, nonRetryable, ...rest }: RetryDefinition) {
  return {
    ...rest,
    nonRetryable: [...(nonRetryable ?? [])],
    ...(initialDelayMs !== undefined && { initialDelay: durationFromMs(initialDelayMs) }),
    ...(maxDelayMs !== undefined && { maxDelay: durationFromMs(maxDelayMs) }),
  };
}
