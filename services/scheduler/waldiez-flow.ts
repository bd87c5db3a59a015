import { isJsonObject, type JsonObject, parseJson } from "./core/json.ts";

/** Lists that every flow has (the schema of Waldiez 0.7). */
const lists = ["nodes", "edges", "models", "tools", "chats"] as const;

/** What is wrong with the content of a `.waldiez` file at first sight, or undefined. What only Waldiez itself can tell is told when the flow runs. */
export function flowFault(content: Uint8Array): string | undefined {
  const parsed = parseJson(content);
  if ("fault" in parsed) return parsed.fault;
  const flow = parsed.value;
  if (!isJsonObject(flow)) return "is not a JSON object";
  if (flow["type"] !== "flow") return 'is not a Waldiez flow: its type is not "flow"';
  const data = flow["data"];
  if (!isJsonObject(data)) return "is not a Waldiez flow: it has no data";
  for (const name of lists) {
    if (!Array.isArray(data[name])) return `is not a Waldiez flow: data.${name} is not a list`;
  }
  const agents = data["agents"];
  if (!isJsonObject(agents)) return "is not a Waldiez flow: data.agents is not an object";
  if (agentsOf(agents).length === 0) return "is not a Waldiez flow: it has no agent";
  return undefined;
}

function agentsOf(agents: JsonObject): unknown[] {
  return Object.values(agents).flatMap((group): unknown[] => (Array.isArray(group) ? group : [group]));
}
