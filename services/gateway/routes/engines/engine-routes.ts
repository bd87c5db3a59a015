import type { HttpRoute } from "../../http/route.ts";
import { definitionRoutes } from "./definitions.ts";
import { executionRoutes } from "./executions.ts";
import { instanceRoutes } from "./instances.ts";

/** The routes of both workflow engines: seed 003's at the root, seed 004's below `apiPrefix`, which is not empty. */
export function engineRoutes({ apiPrefix }: { readonly apiPrefix: string }): readonly HttpRoute[] {
  return [...executionRoutes(), ...definitionRoutes(apiPrefix), ...instanceRoutes(apiPrefix)];
}
