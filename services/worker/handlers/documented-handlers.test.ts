/* The configs and outputs that docs/handlers.md shows are what the handlers take and give. */
import { readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AssignmentSchema } from "../../../gen/antiphon/worker/v1/assignment_pb.ts";
import { trustedClient } from "../../../lib/outbound/call-client.ts";
import { carryOut, outputOf } from "../../../test/support/a-leased-task.ts";
import type { Outcome } from "../outcome.ts";
import { callExternalService } from "./call-external-service.ts";
import { callStandIn } from "./call-stand-in.ts";
import type { LeasedHandler } from "./handler.ts";
import { llm } from "./llm.ts";
import { noop } from "./noop.ts";
import { unreliableHandler } from "./unreliable-handler.ts";

const page = readFileSync(new URL("../../../docs/handlers.md", import.meta.url), "utf8");

const examples = [...page.matchAll(/^```json config (\w+)\n(.*?)^```\n\n```json output\n(.*?)^```$/gms)].map(
  ([, handler = "", config = "", output = ""]) => ({ handler, config, output }),
);

/** As in the all-in-one server without a language model, where no host with a name of one word resolves. */
const leased: Readonly<Record<string, LeasedHandler>> = {
  call_external_service: callExternalService({
    openClient: trustedClient,
    standIn: callStandIn(async (host) => await Promise.reject(new Error(host))),
  }),
  llm: llm("echo"),
  unreliable_handler: unreliableHandler,
};

test("the page has an example of each handler", () => {
  expect(examples.map(({ handler }) => handler)).toEqual(["noop", ...Object.keys(leased)]);
});

test.each(examples)(
  "the example of $handler gives the output beside it",
  async ({ handler, config, output }) => {
    let attempt = 0;
    let outcome: Outcome;
    do {
      attempt += 1;
      outcome = await carriedOut(handler, JSON.parse(config), attempt);
    } while (outcome.kind === "failed" && attempt < 5);
    expect(outputOf(outcome)).toEqual(JSON.parse(output));
  },
);

async function carriedOut(handler: string, config: unknown, attempt: number): Promise<Outcome> {
  const known = leased[handler];
  if (known !== undefined) return await carryOut(known, config, { attempt });
  const assignment = create(AssignmentSchema, { config: Buffer.from(JSON.stringify(config)) });
  return await noop.run({ assignment, leaseToken: "", signal: new AbortController().signal });
}
