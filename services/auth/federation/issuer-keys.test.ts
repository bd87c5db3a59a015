import { describe, expect, test } from "vitest";
import { httpServer } from "../../../test/support/http-server.ts";
import { issuerKeys } from "./issuer-keys.ts";

const keys = { keys: [{ kty: "OKP", crv: "Ed25519", x: "AAAA" }] };

/** An issuer that has this document, as its URL is, and keys. */
async function issuerWith(documentOf: (url: string) => object) {
  const server = await httpServer((request, response) => {
    const isDocument = request.url === "/.well-known/openid-configuration";
    response.end(JSON.stringify(isDocument ? documentOf(server.url) : keys));
  });
  return server;
}

describe("issuerKeys", () => {
  test("finds the keys where the issuer's document says", async () => {
    await using server = await issuerWith((url) => ({ issuer: url, jwks_uri: `${url}/keys` }));
    expect(await issuerKeys({ issuer: server.url, keysUrl: undefined })()).toEqual(keys);
  });

  test("asks for no document where the operator says where the keys are", async () => {
    await using server = await issuerWith(() => ({}));
    await issuerKeys({ issuer: "https://id.example.com", keysUrl: `${server.url}/keys` })();
    expect(server.seen.map(({ path }) => path)).toEqual(["/keys"]);
  });

  test("believes no document that speaks for another issuer", async () => {
    await using server = await issuerWith((url) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` }));
    const fetching = issuerKeys({ issuer: server.url, keysUrl: undefined })();
    await expect(fetching).rejects.toThrow("speaks for another issuer");
  });

  test("does not follow a document to keys that anybody on the way could replace", async () => {
    await using server = await issuerWith((url) => ({ issuer: url, jwks_uri: "http://192.0.2.1/keys" }));
    const fetching = issuerKeys({ issuer: server.url, keysUrl: undefined })();
    await expect(fetching).rejects.toThrow("nobody protects them");
    expect(server.seen).toHaveLength(1);
  });

  test("takes nothing else for keys", async () => {
    await using server = await httpServer((_, response) => response.end('{"keys":"all"}'));
    const fetching = issuerKeys({ issuer: server.url, keysUrl: `${server.url}/keys` })();
    await expect(fetching).rejects.toThrow("expected array");
  });
});
