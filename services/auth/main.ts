import { configOrExit } from "../../lib/config/config-or-exit.ts";
import { logger } from "../../lib/log/log.ts";
import { Database } from "../../lib/postgres/database.ts";
import { untilSignal } from "../../lib/process/run-until-signal.ts";
import { keySetPage } from "../../lib/rpc/key-set-page.ts";
import { servicePeers } from "../../lib/rpc/peer-limits.ts";
import { serve } from "../../lib/rpc/serve.ts";
import { tokenVerifier } from "../../lib/rpc/tokens.ts";
import { auth } from "./auth.ts";
import { readConfig } from "./config.ts";

const config = configOrExit(readConfig, process.env);
const log = logger("auth");
const secretKey = config.secretKey();

await using db = new Database(config.databaseUrl, { applicationName: "antiphon auth" });
await using service = await auth({ db, secretKey, settings: config.settings, log });
await using server = await serve({
  host: config.host,
  port: config.port,
  services: [service],
  verify: tokenVerifier({ fetchKeys: service.fetchKeys, secretKey, revocations: service.revocations }),
  revocations: service.revocations,
  log,
  fallback: keySetPage(service.fetchKeys),
  limits: servicePeers,
});
log.info({ port: server.port }, "serving");

log.info({ signal: await untilSignal() }, "stopping");
