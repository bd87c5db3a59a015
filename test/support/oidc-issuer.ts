import { randomUUID } from "node:crypto";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { Provider } from "oidc-provider";

/** What tokens of the issuer are for. */
export const audience = "https://antiphon.example.com/api";

/** A client of the issuer that has an account there. */
export const account = { client_id: "alice", client_secret: "the secret of alice at the issuer" };

interface Key {
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly privateJwk: JWK;
}

/** A real OpenID provider on loopback. */
export interface OidcIssuer extends AsyncDisposable {
  readonly url: string;
  /** How often its keys were fetched. */
  readonly keyFetches: () => number;
  /** A token that the provider itself gives its client, for this resource. */
  readonly token: (resource?: string) => Promise<string>;
  /** A token signed with the provider's key, or with another one, that says whatever is asked for. */
  readonly signed: (change?: TokenChange) => Promise<string>;
  /** Replaces the provider's key by another. */
  readonly rotate: () => Promise<void>;
  readonly publicJwk: () => JWK;
  /** Ends it, so that nobody can reach it. */
  readonly stop: () => Promise<void>;
}

/** What of an ordinary access token is different. */
export interface TokenChange {
  readonly claims?: JWTPayload;
  readonly header?: Readonly<Record<string, string>>;
  /** Default: the provider's. */
  readonly key?: CryptoKey | Uint8Array;
}

/** Starts one. */
export async function startOidcIssuer(): Promise<OidcIssuer> {
  let handle: RequestListener = (_, response) => response.writeHead(503).end();
  let keyFetches = 0;
  const server = createServer((request, response) => {
    if (request.url === "/jwks") keyFetches += 1;
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let key: Key;
  const rotate = async () => {
    key = await drawKey();
    const answer = providerOf(url, key.privateJwk).callback();
    handle = (request, response) => void answer(request, response);
  };
  await rotate();

  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return {
    url,
    keyFetches: () => keyFetches,
    token: async (resource = audience) => {
      const response = await fetch(`${url}/token`, {
        method: "POST",
        headers: { authorization: `Basic ${basicOf(account)}` },
        body: new URLSearchParams({ grant_type: "client_credentials", scope: "read", resource }),
      });
      const body = (await response.json()) as { access_token?: string };
      if (body.access_token === undefined) throw new Error(`the issuer answers ${JSON.stringify(body)}`);
      return body.access_token;
    },
    signed: async ({ claims, header, key: other } = {}) => {
      const now = Math.floor(Date.now() / 1_000);
      const ordinary = { iss: url, aud: audience, sub: "alice", iat: now, exp: now + 300, client_id: "web" };
      return await new SignJWT({ ...ordinary, ...claims })
        .setProtectedHeader({ alg: "RS256", typ: "at+jwt", kid: key.publicJwk.kid ?? "", ...header })
        .sign(other ?? key.privateKey);
    },
    rotate,
    publicJwk: () => key.publicJwk,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function providerOf(url: string, privateJwk: JWK): Provider {
  return new Provider(url, {
    clients: [{ ...account, grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }],
    clientDefaults: { id_token_signed_response_alg: "RS256" },
    jwks: { keys: [privateJwk] },
    scopes: ["read", "write"],
    cookies: { keys: ["a key of the test"] },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: (_context, resource) => ({
          scope: "read write",
          audience: resource,
          accessTokenTTL: 300,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
}

async function drawKey(): Promise<Key> {
  const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
  const kid = randomUUID();
  const described = { kid, alg: "RS256", use: "sig" };
  return {
    privateKey,
    publicJwk: { ...(await exportJWK(publicKey)), ...described },
    privateJwk: { ...(await exportJWK(privateKey)), ...described },
  };
}

/** Form-encoded before they are joined (RFC 6749 §2.3.1), which this provider insists on. */
function basicOf({ client_id, client_secret }: typeof account): string {
  return btoa(`${encodeURIComponent(client_id)}:${encodeURIComponent(client_secret)}`);
}
