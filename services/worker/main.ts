import { RedisBroker } from "../../lib/broker/redis-broker.ts";
import { configOrExit } from "../../lib/config/config-or-exit.ts";
import { readEach } from "../../lib/config/env.ts";
import { logger } from "../../lib/log/log.ts";
import { untilSignal } from "../../lib/process/run-until-signal.ts";
import { networkTransport } from "../../lib/rpc/client.ts";
import { clientCredentials } from "../../lib/rpc/client-credentials.ts";
import { readConfig, readConnectionConfig } from "./config.ts";
import { openIsolation } from "./isolation.ts";
import { worker } from "./worker.ts";

const {
  config: { settings, calls, isolation: isolationOptions },
  connection,
} = configOrExit(
  (env) => readEach({ config: readConfig, connection: readConnectionConfig }, env),
  process.env,
);
const log = logger("worker");

await using broker = await RedisBroker.open({
  url: connection.redisUrl,
  onWarning: (warning) => log.warn({ warning }, "broker not set up as it should be"),
});
using auth = networkTransport({ url: connection.authUrl });
const { clientId, clientSecret } = connection;
const token = clientCredentials({ transport: auth, clientId, clientSecret: clientSecret() });
using scheduler = networkTransport({ url: connection.schedulerUrl, token });
const isolation = await openIsolation(isolationOptions);
if (isolation.kind === "unusable") log.warn({ ...isolation }, "programs are refused");
await using programs = isolation.kind === "usable" ? isolation : undefined;
await using running = await worker({ broker, scheduler, isolation, settings, calls, standIns: false, log });

const why = await Promise.race([untilSignal(), running.ended]);
log.info({ why: typeof why === "string" ? why : why.kind, programs: programs !== undefined }, "stopping");
if (typeof why !== "string") process.exitCode = 1;
