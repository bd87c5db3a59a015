import { create, type JsonObject, type JsonValue, toJson } from "@bufbuild/protobuf";
import {
  FailurePolicySchema,
  type InlineWorkflow,
  InlineWorkflowSchema,
  type Node,
  NodeSchema,
} from "../../gen/antiphon/scheduler/v1/workflow_pb.ts";

/** A definition as people write it (`from-plain.ts`), without what is unset. */
export function plainDefinition(
  definition: Pick<InlineWorkflow, "name" | "inputSchema"> & { readonly dag?: InlineWorkflow["dag"] },
): JsonObject {
  const { name, inputSchema, dag } = create(InlineWorkflowSchema, definition);
  return {
    name,
    ...(inputSchema.length > 0 && { input_schema: jsonOf(inputSchema) }),
    dag: {
      nodes: (dag?.nodes ?? []).map(plainNode),
      ...(dag?.onFailure && { on_failure: dag.onFailure }),
    },
  };
}

function plainNode(node: Node): JsonObject {
  const json = toJson(NodeSchema, node, { useProtoFieldName: true }) as JsonObject;
  const { forEach, onFailure } = node;
  const policy = FailurePolicySchema.value[onFailure]?.name.replace("FAILURE_POLICY_", "").toLowerCase();
  return {
    ...json,
    ...(node.config.length > 0 && { config: jsonOf(node.config) }),
    ...(onFailure !== 0 && { on_failure: policy ?? onFailure }),
    ...(forEach !== undefined && {
      for_each: {
        items: jsonOf(forEach.items),
        ...(forEach.maxParallel > 0 && { max_parallel: forEach.maxParallel }),
      },
    }),
  };
}

/** No JSON is shown as no value. */
function jsonOf(bytes: Uint8Array): JsonValue {
  return bytes.length === 0 ? null : (JSON.parse(Buffer.from(bytes).toString()) as JsonValue);
}
