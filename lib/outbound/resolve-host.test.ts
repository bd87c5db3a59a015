import type { LookupAddress } from "node:dns";
import { describe, expect, test } from "vitest";
import { resolver } from "./resolve-host.ts";

const found: readonly LookupAddress[] = [{ address: "1.1.1.1", family: 4 }];

/** A name server that answers when it is told to. */
function slowServer() {
  const asked: { readonly host: string; readonly answer: (addresses: readonly LookupAddress[]) => void }[] =
    [];
  const resolve = resolver(async (host) => await new Promise((answer) => asked.push({ host, answer })));
  return { asked, resolve };
}

describe("the resolver", () => {
  test("asks once for a host that several want at a time, and again afterwards", async () => {
    const { asked, resolve } = slowServer();
    const both = Promise.all([resolve("a"), resolve("a")]);
    expect(asked).toHaveLength(1);
    asked[0]?.answer(found);
    expect(await both).toEqual([found, found]);
    const again = resolve("a");
    asked[1]?.answer(found);
    expect(await again).toEqual(found);
  });

  test("asks for few hosts at once, the others in their order", async () => {
    const { asked, resolve } = slowServer();
    const all = Promise.all(["a", "b", "c", "d"].map(async (host) => await resolve(host)));
    expect(asked.map(({ host }) => host)).toEqual(["a", "b"]);
    asked[1]?.answer(found);
    await expect.poll(() => asked.map(({ host }) => host)).toEqual(["a", "b", "c"]);
    asked[0]?.answer(found);
    await expect.poll(() => asked.map(({ host }) => host)).toEqual(["a", "b", "c", "d"]);
    for (const { answer } of asked) answer(found);
    expect(await all).toHaveLength(4);
  });

  test("goes on after a host that there is not", async () => {
    const resolve = resolver(async (host) => await Promise.reject(new Error(host)));
    for (const host of ["a", "b", "c", "d"]) await expect(resolve(host)).rejects.toThrow(host);
  });
});
