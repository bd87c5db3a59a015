import { RedisBroker } from "../../lib/broker/redis-broker.ts";
import { configOrExit } from "../../lib/config/config-or-exit.ts";
import { logger } from "../../lib/log/log.ts";
import { Database } from "../../lib/postgres/database.ts";
import { untilSignal } from "../../lib/process/run-until-signal.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { followRevocations } from "../../lib/rpc/follow-revocations.ts";
import { internalToken } from "../../lib/rpc/internal-token.ts";
import { keysOverHttp } from "../../lib/rpc/key-set.ts";
import { servicePeers } from "../../lib/rpc/peer-limits.ts";
import { Revocations } from "../../lib/rpc/revocations.ts";
import { serve } from "../../lib/rpc/serve.ts";
import { tokenVerifier } from "../../lib/rpc/tokens.ts";
import { readConfig } from "./config.ts";
import { taskio } from "./taskio.ts";

const config = configOrExit(readConfig, process.env);
const log = logger("taskio");
const secretKey = config.secretKey();
const token = internalToken(secretKey, "taskio");

await using db = new Database(config.databaseUrl, { applicationName: "antiphon taskio" });
await using broker = await RedisBroker.open({
  url: config.redisUrl,
  onWarning: (warning) => log.warn({ warning }, "the broker is not set up well"),
});
using scheduler = networkTransport({ url: config.schedulerUrl, token });
await using service = await taskio({ db, broker, scheduler, log, settings: config.settings });
using auth = networkTransport({ url: config.authUrl, token });
const revocations = new Revocations();
await using _following = followRevocations({ auth, revocations, log });
await using server = await serve({
  host: config.host,
  port: config.port,
  services: [service],
  verify: tokenVerifier({ fetchKeys: keysOverHttp(config.authUrl), secretKey, revocations }),
  revocations,
  log,
  limits: servicePeers,
});
log.info({ port: server.port }, "serving");

const signal = await untilSignal();
log.info({ signal }, "stopping");
