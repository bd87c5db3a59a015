import type { CallRequest } from "./exchange.ts";

/** The headers that also go to where a redirect of another origin leads; all others were meant for the first one, as keys and cookies are. */
const harmless = new Set(["accept", "accept-language", "accept-encoding", "content-type", "user-agent"]);

/** The request that a redirect asks for, or why it is not followed. */
export function redirected(
  request: CallRequest,
  { status, location }: { readonly status: number; readonly location: string },
):
  | { readonly kind: "follow"; readonly request: CallRequest }
  | { readonly kind: "refused"; readonly why: string } {
  const url = URL.parse(location, request.url.href);
  if (url === null) return { kind: "refused", why: "to what is not a URL" };
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return { kind: "refused", why: `to ${url.protocol}` };
  // What was sent encrypted would be sent again in the clear.
  if (request.url.protocol === "https:" && url.protocol === "http:")
    return { kind: "refused", why: "from https to http" };
  url.hash = "";
  // Whoever redirects does not choose how the caller names itself.
  url.username = "";
  url.password = "";
  const asGet = status === 303 ? request.method !== "HEAD" : status < 303 && request.method === "POST";
  const isSame = url.origin === request.url.origin;
  const headers = Object.entries(request.headers).filter(
    ([name]) => (isSame || harmless.has(name)) && !(asGet && name === "content-type"),
  );
  return {
    kind: "follow",
    request: {
      method: asGet ? "GET" : request.method,
      url,
      headers: Object.fromEntries(headers),
      body: asGet ? undefined : request.body,
    },
  };
}

/** Whether a status asks for another request. */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}
