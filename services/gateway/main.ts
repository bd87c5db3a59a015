import { randomBytes } from "node:crypto";
import { configOrExit } from "../../lib/config/config-or-exit.ts";
import { logger } from "../../lib/log/log.ts";
import { untilSignal } from "../../lib/process/run-until-signal.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { clientCredentials } from "../../lib/rpc/client-credentials.ts";
import { keysOverHttp } from "../../lib/rpc/key-set.ts";
import { serve } from "../../lib/rpc/serve.ts";
import { tokenVerifier } from "../../lib/rpc/tokens.ts";
import { readConfig } from "./config.ts";
import { Edge } from "./edge/edge.ts";
import { gateway } from "./gateway.ts";
import { localCaller } from "./http/local-caller.ts";
import { serviceBehind } from "./service-behind.ts";

const config = configOrExit(readConfig, process.env);
const log = logger("gateway");
const fetchKeys = keysOverHttp(config.authUrl);
// No internal token is good at the edge, so none can be signed with this.
const verify = tokenVerifier({ fetchKeys, secretKey: randomBytes(32).toString("hex") });

using auth = networkTransport({ url: config.authUrl });
using scheduler = networkTransport({ url: config.schedulerUrl });
using taskio = networkTransport({ url: config.taskioUrl });
const localClient =
  config.localClient &&
  clientCredentials({
    transport: auth,
    clientId: config.localClient.clientId,
    clientSecret: config.localClient.clientSecret(),
  });
await using edge = await Edge.open(config.edge, { boundTo: config.host, log });
await using service = gateway({
  auth,
  scheduler,
  worker: scheduler,
  taskio,
  fetchKeys,
  behind: [
    serviceBehind("auth", auth),
    serviceBehind("scheduler", scheduler),
    serviceBehind("taskio", taskio),
  ],
  verify,
  localCaller:
    localClient &&
    localCaller(config.settings.workflowRoutes, {
      boundTo: config.host,
      token: localClient,
      edge: config.edge,
    }),
  edge,
  settings: config.settings,
  log,
});
await using server = await serve({
  host: config.host,
  port: config.port,
  services: [service],
  tls: config.tls,
  fallback: service.fallback,
  verify: service.verify,
  around: service.around,
  upgrade: service.upgrade,
  interceptors: service.interceptors,
  log,
  shutdownGraceMs: config.shutdownGraceMs,
});
log.info({ port: server.port }, "serving");

log.info({ signal: await untilSignal() }, "stopping");
