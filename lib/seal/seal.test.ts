import { describe, expect, test } from "vitest";
import { openSealed, seal, sealingKeys } from "./seal.ts";

const context = { taskId: "t1", attempt: 2, promptId: "p1" };
const unopened = /unable to authenticate|not a sealed answer/;

describe("seal", () => {
  test.each(["", "hunter2", "pä\u0000ß 鍵", "x".repeat(65_536)])("is undone by openSealed", (answer) => {
    const keys = sealingKeys();
    const sealed = seal(answer, { ...context, publicKey: keys.publicKey });
    expect(openSealed(sealed, { ...context, keys })).toBe(answer);
  });

  test("shows nothing of the answer and never looks the same twice", () => {
    const keys = sealingKeys();
    const one = Buffer.from(seal("correct horse", { ...context, publicKey: keys.publicKey }));
    const other = Buffer.from(seal("correct horse", { ...context, publicKey: keys.publicKey }));
    expect(one.includes("correct")).toBe(false);
    expect(one.equals(other)).toBe(false);
  });

  test.each([{ taskId: "t2" }, { attempt: 3 }, { promptId: "p2" }])(
    "opens for its own question only: not for %o",
    (changed) => {
      const keys = sealingKeys();
      const sealed = seal("secret", { ...context, publicKey: keys.publicKey });
      expect(() => openSealed(sealed, { ...context, ...changed, keys })).toThrow(unopened);
    },
  );

  test("opens with its own key only", () => {
    const sealed = seal("secret", { ...context, publicKey: sealingKeys().publicKey });
    expect(() => openSealed(sealed, { ...context, keys: sealingKeys() })).toThrow(unopened);
  });

  test("does not open when any byte was altered", () => {
    const keys = sealingKeys();
    const sealed = seal("secret", { ...context, publicKey: keys.publicKey });
    for (const at of sealed.keys()) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(() => openSealed(altered, { ...context, keys }), `byte ${at}`).toThrow(unopened);
    }
    expect(() => openSealed(sealed.subarray(0, 40), { ...context, keys })).toThrow(RangeError);
  });

  test("refuses a key that is none", () => {
    expect(() => seal("secret", { ...context, publicKey: new Uint8Array(31) })).toThrow(RangeError);
  });
});
