import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadFault } from "./flow-links.ts";

const agent = (id: string, data: object = {}) => ({ id, name: `agent ${id}`, data });

const flow = (data: object): Uint8Array => {
  const whole = { nodes: [], edges: [], models: [], tools: [], chats: [], agents: {}, ...data };
  return Buffer.from(JSON.stringify({ type: "flow", data: whole }));
};

const chat = { id: "c", source: "a", target: "b", data: {} };
const two = { users: [agent("a")], assistants: [agent("b")] };

describe("loadFault", () => {
  test("finds nothing in a flow that Waldiez loads", () => {
    expect(
      loadFault(readFileSync(new URL("../../../../examples/chat.waldiez", import.meta.url))),
    ).toBeUndefined();
    expect(loadFault(flow({ agents: two, chats: [chat] }))).toBeUndefined();
    expect(loadFault(flow({ agents: { users: [agent("a")] } }))).toBeUndefined();
    const asked = agent("b", { modelIds: ["m"], tools: [{ id: "t", executorId: "a" }] });
    const known = { models: [{ id: "m" }], tools: [{ id: "t" }], chats: [chat] };
    expect(
      loadFault(flow({ agents: { users: [agent("a")], assistants: [asked] }, ...known })),
    ).toBeUndefined();
    const group = { groupManagerAgents: [agent("g")], assistants: [agent("a"), agent("b")] };
    expect(loadFault(flow({ agents: group }))).toBeUndefined();
  });

  test.each([
    ["what is no JSON", Buffer.from("{"), "is not UTF-8 JSON"],
    ["what is no flow", Buffer.from('{"key":"value"}'), "is not a Waldiez flow"],
    ["a flow without agents", flow({}), "has no agent"],
    [
      "two agents with one id",
      flow({ agents: { users: [agent("a"), agent("a")] } }),
      "agents with the same id",
    ],
    [
      "an agent that no chat connects",
      flow({ agents: { users: [...two.users, ...two.assistants, agent("z")] }, chats: [chat] }),
      "no chat connects: agent z",
    ],
    [
      "a model that is not there",
      flow({ agents: { users: [agent("a", { modelIds: ["m"] })] } }),
      "modelIds name what is not",
    ],
    [
      "a tool that is not there",
      flow({ agents: { users: [agent("a", { tools: [{ id: "t" }] })] } }),
      "tools name what is not",
    ],
  ])("refuses %s", (_, content, fault) => {
    expect(loadFault(content)).toContain(fault);
  });
});
