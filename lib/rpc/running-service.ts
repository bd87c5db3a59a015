import type { ConnectRouter } from "@connectrpc/connect";

/** What a token is good for, as its `aud` claim has it. */
export type TokenAudience = "tasks-api" | "clients-api" | "admin-api" | "workers-api" | "internal";

/**
 * Who may call what: by `<service type name>` or, where one method differs, by
 * `<service type name>/<method name>`, which goes first. A procedure that no rule
 * names is refused.
 */
export type AudienceRules = Readonly<Record<string, readonly TokenAudience[] | "open" | "any-token">>;

/** A composed service that is at work, to be served on a port of its own or inside another process. Disposing of it ends its loops. */
export interface RunningService extends AsyncDisposable {
  /** As in `antiphon serve <name>`. */
  readonly name: string;

  /** Adds its RPCs to a router. */
  readonly routes: (router: ConnectRouter) => void;

  /** Who may call each of them. */
  readonly audiences: AudienceRules;

  /** Rejects, with the reason, while the service can not do its work. Answers health checks; bounded in time. */
  readonly check: () => Promise<void>;
}
