import Router from "find-my-way";
import { HttpRefusal } from "./http-refusal.ts";
import type { HttpRoute } from "./route.ts";

/** A route that a request asks for. */
export interface FoundRoute {
  readonly route: HttpRoute;
  /** What the path has for the route's parameters. */
  readonly params: Readonly<Record<string, string | undefined>>;
}

/**
 * Looks a route up by method and path, without the query; tells what is wrong with
 * the request when there is none. One route has many spellings (a slash behind it,
 * letters escaped by `%`), so no path is to be compared with a route's by itself.
 */
export type FindRoute = (method: string, path: string) => FoundRoute | HttpRefusal;

/** The longest parameter in a path. */
const maxParamLength = 300;

/** Makes the look-up of some routes. Throws when two of them are the same. */
export function routeFinder(routes: readonly HttpRoute[]): FindRoute {
  const router = Router({ ignoreTrailingSlash: true, caseSensitive: true, maxParamLength });
  for (const route of routes) router.on(route.method, route.path, () => undefined, route);
  const methods = [...new Set(routes.map(({ method }) => method))];
  return (method, path) => {
    const asked = method === "HEAD" ? "GET" : method;
    const found = methods.find((known) => known === asked) && lookUp(router, asked, path);
    if (found) return found;
    const allowed = methods.filter((known) => lookUp(router, known, path) !== undefined);
    if (allowed.length === 0) {
      return new HttpRefusal(404, `nothing is served at ${path.slice(0, 200)}`, {
        reason: "ROUTE_NOT_FOUND",
      });
    }
    const allow = [...allowed, ...(allowed.includes("GET") ? ["HEAD"] : [])].join(", ");
    return new HttpRefusal(405, "Method Not Allowed", { reason: "ROUTE_NOT_FOUND", headers: { allow } });
  };
}

function lookUp(
  router: Router.Instance<Router.HTTPVersion.V1>,
  method: string,
  path: string,
): FoundRoute | undefined {
  const found = router.find(method as Router.HTTPMethod, path);
  return found === null ? undefined : { route: found.store as HttpRoute, params: found.params };
}
