import type { GatewaySettings } from "../config.ts";
import { eventRoutes } from "../events/event-routes.ts";
import { documentRoutes } from "../routes/documents/document-routes.ts";
import { engineRoutes } from "../routes/engines/engine-routes.ts";
import { healthRoutes, type ServiceBehind } from "../routes/health.ts";
import { oauthRoutes } from "../routes/oauth/oauth-routes.ts";
import { fileFetcher } from "../routes/waldiez/fetch-file.ts";
import { waldiezRoutes } from "../routes/waldiez/waldiez-routes.ts";
import { taskPermission } from "../task-permission.ts";
import type { HttpRoute } from "./route.ts";

/** What the routes need besides the services behind. */
export interface RouteTableNeeds {
  readonly behind: readonly ServiceBehind[];
  /** Answers the public keys that tokens are signed with, as a JSON Web Key Set. */
  readonly fetchKeys: () => Promise<object>;
  readonly settings: GatewaySettings;
}

/** Every HTTP route of the gateway. The documentation, and the test of who may call what, walk this list. */
export function routeTable({ behind, fetchKeys, settings }: RouteTableNeeds): readonly HttpRoute[] {
  const routes = [
    ...oauthRoutes({ fetchKeys, publicUrl: settings.publicUrl }),
    ...engineRoutes(settings),
    ...waldiezRoutes({
      settings: settings.waldiez,
      fetchFile: fileFetcher(settings.waldiez.fileUrlAllowedHosts),
      permit: taskPermission(settings.taskPermission),
    }),
    ...eventRoutes(),
    ...healthRoutes(behind),
  ];
  if (!settings.areDocsShown) return routes;
  return [...routes, ...documentRoutes({ prefix: settings.apiPrefix, routes })];
}
