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
import { fileStorage } from "../../lib/storage/file-storage.ts";
import { readConfig } from "./config.ts";
import { scheduler } from "./scheduler.ts";

const config = configOrExit(readConfig, process.env);
const log = logger("scheduler");
const secretKey = config.secretKey();
const token = internalToken(secretKey, "scheduler");

await using db = new Database(config.databaseUrl, { applicationName: "antiphon scheduler" });
await using broker = await RedisBroker.open({
  url: config.redisUrl,
  onWarning: (warning) => log.warn({ warning }, "broker is set up badly"),
});
using taskio = networkTransport({ url: config.taskioUrl, token });
await using service = await scheduler({
  db,
  broker,
  storage: fileStorage(config.storageDirectory),
  log,
  settings: config.settings,
  secretKey,
  address: config.address,
  transportTo: (url) => networkTransport({ url, token }),
  taskio: () => taskio,
});
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

log.info({ signal: await untilSignal() }, "stopping");
