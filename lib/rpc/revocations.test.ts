import { describe, expect, test } from "vitest";
import { aCaller } from "../../test/support/a-caller.ts";
import { type Revocation, Revocations } from "./revocations.ts";

const hourMs = 3_600_000;
const at = (offsetMs: number) => new Date(Date.now() + offsetMs);

function aRevocation(changes: Partial<Revocation> & Pick<Revocation, "kind" | "subject">): Revocation {
  return { expiresAt: at(hourMs), ...changes };
}

const alice = aCaller({ clientId: "alice", tokenId: "t1", familyId: "f1", issuedAt: at(-1_000) });

describe("Revocations", () => {
  test.each<[string, Revocation, boolean]>([
    ["by its own id", aRevocation({ kind: "token", subject: "t1" }), true],
    ["by its family", aRevocation({ kind: "family", subject: "f1" }), true],
    ["by its client", aRevocation({ kind: "client", subject: "alice", issuedBefore: at(0) }), true],
    [
      "not when it was issued later",
      aRevocation({ kind: "client", subject: "alice", issuedBefore: at(-2_000) }),
      false,
    ],
    ["not with another of its family's name", aRevocation({ kind: "token", subject: "f1" }), false],
    ["not with another client", aRevocation({ kind: "client", subject: "bob", issuedBefore: at(0) }), false],
  ])("refuse a token %s", (_how, revocation, isRevoked) => {
    const revocations = new Revocations();
    revocations.add([revocation]);
    expect(revocations.isRevoked(alice)).toBe(isRevoked);
  });

  test("never refuse the token of a service", () => {
    const revocations = new Revocations();
    revocations.add([aRevocation({ kind: "client", subject: "taskio", issuedBefore: at(0) })]);
    const service = aCaller({ clientId: "taskio", audience: "internal", issuedAt: at(-1_000) });
    expect(revocations.isRevoked(service)).toBe(false);
  });

  test("keep the later of two for one client, in whichever order they come", () => {
    const early = aRevocation({ kind: "client", subject: "alice", issuedBefore: at(-hourMs) });
    const late = aRevocation({ kind: "client", subject: "alice", issuedBefore: at(0) });
    for (const order of [
      [early, late],
      [late, early],
    ]) {
      const revocations = new Revocations();
      revocations.add(order);
      expect(revocations.isRevoked(alice)).toBe(true);
    }
  });

  test("tell whoever listens, once, and nobody who stopped or is not meant", () => {
    const revocations = new Revocations();
    const heard: string[] = [];
    revocations.onRevoked(alice, () => heard.push("alice"));
    revocations.onRevoked(aCaller({ clientId: "bob", tokenId: "t2" }), () => heard.push("bob"));
    revocations.onRevoked(alice, () => heard.push("stopped"))[Symbol.dispose]();
    revocations.add([aRevocation({ kind: "token", subject: "t1" })]);
    revocations.add([aRevocation({ kind: "token", subject: "t1" })]);
    expect(heard).toEqual(["alice"]);
  });

  test("tell whoever begins to listen too late at once", () => {
    const revocations = new Revocations();
    revocations.add([aRevocation({ kind: "family", subject: "f1" })]);
    let heard = 0;
    revocations.onRevoked(alice, () => heard++);
    expect(heard).toBe(1);
  });
});
