import type { ConnectRouter } from "@connectrpc/connect";
import type { AccessRules } from "./access.ts";

/** A composed service that is at work, to be served on a port of its own or inside another process. Disposing of it ends its loops. */
export interface RunningService extends AsyncDisposable {
  /** As in `antiphon serve <name>`. */
  readonly name: string;

  /** Adds its RPCs to a router. */
  readonly routes: (router: ConnectRouter) => void;

  /** Who may call each of them. */
  readonly access: AccessRules;

  /** Rejects, with the reason, while the service can not do its work. Answers health checks; bounded in time. */
  readonly check: () => Promise<void>;
}
