import { z } from "zod";
import { askJson } from "../../../lib/http/ask-json.ts";
import { isSecureUrl } from "../../../lib/http/is-secure-url.ts";
import type { FetchKeys } from "../../../lib/rpc/key-set.ts";
import type { Issuer } from "./issuer.ts";

/** How long an issuer may take for each of its documents. */
const answerTimeoutMs = 5_000;

const discoveryDocument = z.object({ issuer: z.string(), jwks_uri: z.url() });
const keySetDocument = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(100) });

/**
 * Fetches an issuer's keys: from where it is set, else from where its discovery
 * document says (OpenID Connect Discovery §4), which is read anew each time, so an
 * issuer may move its keys. Rejects when the document speaks for another issuer.
 */
export function issuerKeys({ issuer, keysUrl }: Pick<Issuer, "issuer" | "keysUrl">): FetchKeys {
  return async () => {
    return await document(keysUrl ?? (await discoveredKeysUrl(issuer)), keySetDocument);
  };
}

async function discoveredKeysUrl(issuer: string): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = await document(url, discoveryDocument);
  if (found.issuer !== issuer) throw new Error(`${url} speaks for another issuer`);
  if (!mayLead(issuer, found.jwks_uri)) throw new Error(`${url} has its keys where nobody protects them`);
  return found.jwks_uri;
}

/** Keys are asked for on a way that is no worse than the one to the issuer. */
function mayLead(issuer: string, keysUrl: string): boolean {
  if (issuer.startsWith("https:")) return keysUrl.startsWith("https:");
  return isSecureUrl(keysUrl) || !isSecureUrl(issuer);
}

async function document<Schema extends z.ZodType>(url: string, schema: Schema): Promise<z.output<Schema>> {
  const { status, body } = await askJson(url, { timeoutMs: answerTimeoutMs });
  if (status !== 200) throw new Error(`${url} answers ${status}`);
  return schema.parse(body);
}
