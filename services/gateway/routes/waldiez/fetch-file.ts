import { AddressPolicy } from "../../../../lib/outbound/address-policy.ts";
import type { AllowedHost } from "../../../../lib/outbound/allowed-host.ts";
import { guardedClient } from "../../../../lib/outbound/call-client.ts";
import { exchange } from "../../../../lib/outbound/exchange.ts";
import { resolver } from "../../../../lib/outbound/resolve-host.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { fileTooLarge, maxFileBytes } from "./stored-file.ts";

/** Fetches the file that a client's URL names. Rejects with HttpRefusal 400 when it is not to be had. */
export type FetchFile = (url: URL, signal: AbortSignal) => Promise<Uint8Array>;

const timeoutMs = 30_000;
const maxRedirects = 5;

/** Schemes that the Waldiez runner's documentation names and that are not served here. */
const unserved = new Set(["ftps:", "sftp:", "s3:"]);

/**
 * Reads the URL of a file. Throws HttpRefusal 400 for what is none of https, and
 * for one with a name or password in it, which would end up in logs of others.
 */
export function fileUrlOf(text: string): URL {
  const url = URL.parse(text);
  if (url !== null && unserved.has(url.protocol)) {
    throw refusal(`Invalid file URL: ${url.protocol.slice(0, -1)} is not supported here, use https`);
  }
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") {
    throw refusal("Invalid file URL");
  }
  url.hash = "";
  return url;
}

/** What the file of a URL is called: the last part of its path, made a flow's when it has no ending. */
export function fileNameIn({ pathname }: URL): string {
  const last = pathname.split("/").findLast((part) => part !== "") ?? "flow";
  const name = decoded(last).split(/[/\\]/).at(-1) ?? "";
  return /\.[^.]+$/.test(name) ? name : `${name}.waldiez`;
}

/** What fetches files: from public addresses, and from those that the operator allows. Redirects are checked alike. */
export function fileFetcher(allowed: readonly AllowedHost[]): FetchFile {
  const openClient = guardedClient({ policy: new AddressPolicy(allowed), resolve: resolver() });
  return async (url, signal) => {
    const response = await exchange(
      { method: "GET", url, headers: { accept: "*/*", "user-agent": "antiphon" }, body: undefined },
      {
        openClient,
        signal,
        timeoutMs,
        maxBytes: maxFileBytes,
        maxRedirects,
        allowedBy: "FILE_URL_ALLOWED_HOSTS",
      },
    );
    if (response.kind === "cancelled") throw refusal("Invalid file URL: nobody waits for the file");
    if (response.kind === "failed") {
      if (response.reason === "RESPONSE_TOO_LARGE") throw fileTooLarge();
      throw refusal(`Invalid file URL: ${response.message}`);
    }
    if (response.status !== 200) {
      throw refusal(`Invalid file URL: ${url.host} answered with ${response.status}`);
    }
    return response.bytes;
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function refusal(message: string): HttpRefusal {
  return new HttpRefusal(400, message, { reason: "FILE_REJECTED" });
}
