import { flowIn, isFields } from "../../../../lib/waldiez/flow-fault.ts";

/** The parts of a flow that have ids, and which of their fields name others. */
type Named = { readonly id: string; readonly part: Readonly<Record<string, unknown>> };

/**
 * What keeps Waldiez from loading a flow, as far as its file shows: it is none at
 * first sight, two parts have one id, an agent names a model or a tool that is
 * not there, or takes part in no chat. Undefined when nothing does.
 */
export function loadFault(content: Uint8Array): string | undefined {
  const flow = flowIn(content);
  if ("fault" in flow) return flow.fault;
  const agents = named(flow.agents);
  const [models, tools, chats] = [
    named(flow.data["models"]),
    named(flow.data["tools"]),
    named(flow.data["chats"]),
  ];
  return (
    doubleIn("agents", agents) ??
    doubleIn("models", models) ??
    doubleIn("tools", tools) ??
    strayIn(agents, "modelIds", models) ??
    strayIn(agents, "tools", tools) ??
    (flow.agents.length > 1 ? loneIn(agents, chats, flow.data) : undefined)
  );
}

function named(list: unknown): Named[] {
  return (Array.isArray(list) ? list : []).flatMap((part: unknown) => {
    return isFields(part) && typeof part["id"] === "string" ? [{ id: part["id"], part }] : [];
  });
}

function doubleIn(kind: string, parts: readonly Named[]): string | undefined {
  const ids = new Set(parts.map(({ id }) => id));
  return ids.size === parts.length ? undefined : `has ${kind} with the same id`;
}

/** An agent that names what is not there: the names are ids, or objects that hold one. */
function strayIn(
  agents: readonly Named[],
  field: "modelIds" | "tools",
  known: readonly Named[],
): string | undefined {
  const ids = new Set(known.map(({ id }) => id));
  const stray = agents.find(({ part }) => {
    const data = part["data"];
    const names: unknown = isFields(data) ? data[field] : undefined;
    return (Array.isArray(names) ? names : []).some((name: unknown) => {
      const id: unknown = isFields(name) ? name["id"] : name;
      return typeof id === "string" && !ids.has(id);
    });
  });
  return stray && `has an agent whose ${field} name what is not in the flow: ${shown(stray)}`;
}

/** An agent that no chat leads to or comes from; in a group its manager knows it. */
function loneIn(
  agents: readonly Named[],
  chats: readonly Named[],
  data: Readonly<Record<string, unknown>>,
): string | undefined {
  const groups = data["agents"];
  const isGroup =
    isFields(groups) &&
    Array.isArray(groups["groupManagerAgents"]) &&
    groups["groupManagerAgents"].length > 0;
  if (isGroup) return undefined;
  const ends = new Set(chats.flatMap(({ part }) => endsOf(part)));
  const lone = agents.find(({ id }) => !ends.has(id));
  return lone && `has an agent that no chat connects: ${shown(lone)}`;
}

function endsOf(chat: Readonly<Record<string, unknown>>): unknown[] {
  const data = isFields(chat["data"]) ? chat["data"] : {};
  return [chat["source"], chat["target"], data["realSource"], data["realTarget"]];
}

function shown({ id, part }: Named): string {
  const name = part["name"];
  return (typeof name === "string" ? name : id).slice(0, 100);
}
