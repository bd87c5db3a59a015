/** Lists that every flow has (the schema of Waldiez 0.7). */
const lists = ["nodes", "edges", "models", "tools", "chats"] as const;

/** An object of a parsed file. */
type Fields = Readonly<Record<string, unknown>>;

/** What is wrong with the content of a `.waldiez` file at first sight, or undefined. What only Waldiez itself can tell is told when the flow runs. */
export function flowFault(content: Uint8Array): string | undefined {
  const read = flowIn(content);
  return "fault" in read ? read.fault : undefined;
}

/** The data of a flow (`data`), or what is wrong with its file at first sight. */
export function flowIn(
  content: Uint8Array,
): { readonly data: Fields; readonly agents: readonly unknown[] } | { readonly fault: string } {
  let flow: unknown;
  try {
    flow = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
  } catch {
    return { fault: "is not UTF-8 JSON" };
  }
  if (!isFields(flow)) return { fault: "is not a JSON object" };
  if (flow["type"] !== "flow") return { fault: 'is not a Waldiez flow: its type is not "flow"' };
  const data = flow["data"];
  if (!isFields(data)) return { fault: "is not a Waldiez flow: it has no data" };
  for (const name of lists) {
    if (!Array.isArray(data[name])) return { fault: `is not a Waldiez flow: data.${name} is not a list` };
  }
  const groups = data["agents"];
  if (!isFields(groups)) return { fault: "is not a Waldiez flow: data.agents is not an object" };
  const agents = Object.values(groups).flat(1);
  return agents.length === 0 ? { fault: "is not a Waldiez flow: it has no agent" } : { data, agents };
}

/** Whether something of a parsed file is an object, not a list or null. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
