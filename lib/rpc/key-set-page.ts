import { type FetchKeys, keySetPath } from "./key-set.ts";
import { type HttpHandler, notFound } from "./unknown-route.ts";

/** How long others may keep the keys. */
const maxAgeSeconds = 300;

/** Answers `/.well-known/jwks.json` with the keys, 503 while they are not to be had, and leaves every other path to `next`, by default 404. */
export function keySetPage(fetchKeys: FetchKeys, next: HttpHandler = notFound): HttpHandler {
  return (request, response) => {
    const [path] = (request.url ?? "").split("?", 1);
    if (path !== keySetPath || (request.method !== "GET" && request.method !== "HEAD")) {
      next(request, response);
      return;
    }
    fetchKeys().then(
      (keys) => {
        const cacheControl = `public, max-age=${maxAgeSeconds}`;
        response.writeHead(200, { "content-type": "application/json", "cache-control": cacheControl });
        response.end(JSON.stringify(keys));
      },
      () => {
        response.writeHead(503, { "retry-after": "1" });
        response.end();
      },
    );
  };
}
