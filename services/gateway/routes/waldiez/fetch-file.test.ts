import { describe, expect, test } from "vitest";
import { allowedHost } from "../../../../lib/outbound/allowed-host.ts";
import { httpServer } from "../../../../test/support/http-server.ts";
import { fileFetcher, fileNameIn, fileUrlOf } from "./fetch-file.ts";
import { maxFileBytes } from "./stored-file.ts";

const { signal } = new AbortController();
const refusal = (message: string) =>
  expect.objectContaining({ status: 400, message: expect.stringContaining(message) });
const allowing = (entry: string) => fileFetcher([allowedHost(entry)].filter((host) => host !== undefined));

describe("the URL of a file", () => {
  test("is one of https", () => {
    expect(fileUrlOf("https://example.com/a.waldiez#x").href).toBe("https://example.com/a.waldiez");
  });

  test.each([
    "http://example.com/a.waldiez",
    "ftp://example.com/a.waldiez",
    "file:///etc/passwd",
    "https://user:secret@example.com/a.waldiez",
    "/etc/passwd",
    "",
  ])("is not %j", (text) => {
    expect(() => fileUrlOf(text)).toThrow(refusal("Invalid file URL"));
  });

  test.each(["ftps://a/b", "sftp://a/b", "s3://bucket/b"])("is not %s, which is told", (text) => {
    expect(() => fileUrlOf(text)).toThrow(refusal("is not supported here"));
  });

  test.each([
    ["https://example.com/flows/a.waldiez?x=1", "a.waldiez"],
    ["https://example.com/flows/a/", "a.waldiez"],
    ["https://example.com/", "flow.waldiez"],
    ["https://example.com/a%20b.waldiez", "a b.waldiez"],
    ["https://example.com/%2e%2e%2fa.waldiez", "a.waldiez"],
    ["https://example.com/a.json", "a.json"],
    ["https://example.com/%ff", "%ff.waldiez"],
  ])("%s names %s", (url, name) => {
    expect(fileNameIn(new URL(url))).toBe(name);
  });
});

describe("fileFetcher", () => {
  test("fetches bytes as they are, also behind a redirect", async () => {
    await using server = await httpServer((request, response) => {
      if (request.url === "/moved") response.writeHead(302, { location: "/here" }).end();
      else response.end(Buffer.from([0xff, 0x00, 0x61]));
    });
    const bytes = await allowing(`127.0.0.1:${server.port}`)(new URL(`${server.url}/moved`), signal);
    expect(Buffer.from(bytes).toString("hex")).toBe("ff0061");
  });

  // Its 9.2.9: a URL reached whatever the server reaches.
  test("reaches nothing that is not public unless it is allowed, not even by a redirect", async () => {
    await using hidden = await httpServer((_, response) => response.end("private"));
    await using open = await httpServer((_, response) => {
      response.writeHead(302, { location: `${hidden.url}/` }).end();
    });
    await expect(fileFetcher([])(new URL(hidden.url), signal)).rejects.toThrow(
      refusal("an operator allows others by FILE_URL_ALLOWED_HOSTS"),
    );
    const redirected = allowing(`127.0.0.1:${open.port}`)(new URL(open.url), signal);
    await expect(redirected).rejects.toThrow(refusal("leads to no public address"));
    expect(hidden.seen).toEqual([]);
  });

  test("refuses what is too large, and what is answered with an error", async () => {
    await using server = await httpServer((request, response) => {
      if (request.url === "/large") response.end(Buffer.alloc(maxFileBytes + 1));
      else response.writeHead(404).end("none");
    });
    const fetchFile = allowing(`127.0.0.1:${server.port}`);
    await expect(fetchFile(new URL(`${server.url}/large`), signal)).rejects.toThrow(
      refusal("File exceeds maximum size of 5.0 MB"),
    );
    await expect(fetchFile(new URL(server.url), signal)).rejects.toThrow(refusal("answered with 404"));
  });
});
