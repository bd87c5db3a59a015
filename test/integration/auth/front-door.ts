import { createClient, createRouterTransport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AuthService, type WhoAmIResponse } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { serve } from "../../../lib/rpc/serve.ts";
import { tokenVerifier } from "../../../lib/rpc/tokens.ts";
import { auth } from "../../../services/auth/auth.ts";
import { readSettings as readAuthSettings } from "../../../services/auth/config.ts";
import { readSettings as readGatewaySettings } from "../../../services/gateway/config.ts";
import { gateway } from "../../../services/gateway/gateway.ts";
import { freshDatabase } from "../../support/fresh-database.ts";
import type { AuthClient } from "./auth-world.ts";

const secretKey = "the secret of this installation";
const log = logger("test", process.env["TEST_LOG_LEVEL"] ?? "silent");

/** A gateway with auth behind it, on a Postgres of their own. */
export interface FrontDoor extends AsyncDisposable {
  readonly url: string;
  /** Calls auth through the gateway with this token. */
  readonly as: (token: string) => AuthClient;
  /** Who the gateway and auth take the bearer of a token for, or why it is refused. */
  readonly whoIs: (token: string) => Promise<WhoAmIResponse | string>;
  /** A token of ours that may manage clients. */
  readonly managerToken: string;
  /** Makes a client for `tasks-api`. */
  readonly addClient: (clientId: string, clientSecret?: string) => Promise<void>;
}

/** Opens it as these variables say. */
export async function openFrontDoor(env: Readonly<Record<string, string>> = {}): Promise<FrontDoor> {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await freshDatabase());
  const db = stack.use(new Database(database.url));
  const running = stack.use(await auth({ db, secretKey, settings: readAuthSettings(env), log }));
  const { fetchKeys, revocations } = running;
  const verify = tokenVerifier({ fetchKeys, secretKey, revocations });
  const nobody = createRouterTransport(() => undefined);
  const edge = stack.use(
    gateway({
      auth: localTransport(running, { verify, revocations, log }),
      scheduler: nobody,
      worker: nobody,
      taskio: nobody,
      fetchKeys,
      behind: [],
      verify,
      settings: readGatewaySettings(env),
      log,
    }),
  );
  const served = { services: [edge], fallback: edge.fallback, verify: edge.verify, revocations, log };
  const { url } = stack.use(await serve({ host: "127.0.0.1", port: 0, ...served, shutdownGraceMs: 0 }));

  const as = (token: string) =>
    createClient(
      AuthService,
      createConnectTransport({
        baseUrl: url,
        httpVersion: "1.1",
        interceptors: [
          (next) => (request) => {
            request.header.set("authorization", `Bearer ${token}`);
            return next(request);
          },
        ],
      }),
    );
  const manager = (await running.bootstrapClients([])).find(({ audience }) => audience === "clients-api");
  const { accessToken: managerToken } = await as("").issueToken({
    clientId: manager?.client_id ?? "",
    clientSecret: manager?.client_secret ?? "",
  });
  const opened = stack.move();
  return {
    url,
    as,
    managerToken,
    whoIs: async (token) => {
      try {
        return await as(token).whoAmI({});
      } catch (thrown) {
        return fromConnectError(thrown).reason ?? String(thrown);
      }
    },
    addClient: async (clientId, clientSecret = "") => {
      await as(managerToken).createClient({ clientId, clientSecret, audience: 1 });
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}
