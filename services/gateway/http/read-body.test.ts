import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import type { ServerRequest } from "../../../lib/rpc/serve.ts";
import { readBody } from "./read-body.ts";

const maxBytes = 1_000_000;

/** A body that a test sends, and what is held for it. */
function aBody(length?: number) {
  const sent = new PassThrough();
  const headers = length === undefined ? {} : { "content-length": String(length) };
  const request = Object.assign(sent, { headers }) as unknown as ServerRequest;
  const held: number[] = [];
  const hold = (bytes: number): void => {
    held.push(bytes);
  };
  return { sent, request, held, hold };
}

describe("a body", () => {
  test("is held by its declared length before anything of it is read", async () => {
    const { sent, request, held, hold } = aBody(100_000);
    const read = readBody(request, { maxBytes, hold });
    expect(held).toEqual([100_000]);
    sent.end(Buffer.alloc(100_000));
    expect((await read).length).toBe(100_000);
    expect(held).toEqual([100_000]);
  });

  test("of no length is held by the largest that it may have, once, when it is not small", async () => {
    const { sent, request, held, hold } = aBody();
    const read = readBody(request, { maxBytes, hold });
    for (let count = 0; count < 10; count += 1) sent.write(Buffer.alloc(20_000));
    sent.end();
    expect((await read).length).toBe(200_000);
    expect(held).toEqual([maxBytes]);
  });

  test.each([10, undefined])("that is small is not held (length %s)", async (length) => {
    const { sent, request, held, hold } = aBody(length);
    sent.end("0123456789");
    expect((await readBody(request, { maxBytes, hold })).toString()).toBe("0123456789");
    expect(held).toEqual([]);
  });

  test.each([100_000, undefined])(
    "is not read on when there is no room for it (length %s)",
    async (length) => {
      const { sent, request } = aBody(length);
      const read = readBody(request, {
        maxBytes,
        hold: () => {
          throw new Error("no room");
        },
      });
      sent.write(Buffer.alloc(100_000));
      await expect(read).rejects.toThrow("no room");
      expect(sent.readableFlowing).not.toBe(true);
    },
  );

  test("that breaks off is refused", async () => {
    const { sent, request, hold } = aBody(10);
    const read = readBody(request, { maxBytes, hold });
    sent.write("half");
    sent.destroy();
    await expect(read).rejects.toThrow("the body is not complete");
  });
});
