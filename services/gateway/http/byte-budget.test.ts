import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ByteBudget, type CallBytes } from "./byte-budget.ts";

const refused = (reason: string) => expect.objectContaining({ reason, retryAfterMs: 2_000 });

describe("a budget of bytes", () => {
  test("lets no client hold more than half, and all together no more than there is", () => {
    const budget = new ByteBudget(100);
    budget.begin("alice").hold(50);
    expect(() => budget.begin("alice").hold(1)).toThrow(refused("TOO_MANY_CALLS"));
    budget.begin("bob").hold(40);
    expect(() => budget.begin("carol").hold(11)).toThrow(refused("SERVICE_UNAVAILABLE"));
    budget.begin("carol").hold(10);
    expect(() => budget.begin("carol").hold(1)).toThrow(refused("SERVICE_UNAVAILABLE"));
  });

  test("has back what a call held when it ends, once", () => {
    const budget = new ByteBudget(100);
    const [first, second] = [budget.begin("alice"), budget.begin("alice")];
    first.hold(30);
    second.hold(20);
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(() => second.hold(31)).toThrow(refused("TOO_MANY_CALLS"));
    second.hold(30);
  });

  test("gives nothing to a call that has ended, which nobody would give back", () => {
    const budget = new ByteBudget(100);
    const call = budget.begin("alice");
    call[Symbol.dispose]();
    expect(() => call.hold(1)).toThrow("the call is over");
    budget.begin("alice").hold(50);
  });

  test("is whole again when all calls have ended, whatever they did", () => {
    const steps = fc.array(
      fc.record({
        call: fc.nat(4),
        clientId: fc.constantFrom("alice", "bob"),
        bytes: fc.nat(40),
        isEnd: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const budget = new ByteBudget(100);
        const open = new Map<number, CallBytes>();
        for (const { call, clientId, bytes, isEnd } of taken) {
          const begun = open.get(call) ?? budget.begin(clientId);
          open.set(call, begun);
          try {
            begun.hold(bytes);
          } catch (error) {
            expect(error).toMatchObject({ retryAfterMs: 2_000 });
          }
          if (isEnd) {
            begun[Symbol.dispose]();
            open.delete(call);
          }
        }
        for (const call of open.values()) call[Symbol.dispose]();
        for (const clientId of ["alice", "bob"]) budget.begin(clientId).hold(50);
      }),
    );
  });
});
