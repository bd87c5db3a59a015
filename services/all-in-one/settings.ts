import { readEach } from "../../lib/config/env.ts";
import { readSettings as readAuth } from "../auth/config.ts";
import { readSettings as readGateway, readPortSettings } from "../gateway/config.ts";
import { readSettings as readScheduler } from "../scheduler/config.ts";
import { readSettings as readTaskio } from "../taskio/config.ts";
import { readConfig as readWorker } from "../worker/config.ts";
import { readConfig } from "./config.ts";

const readers = {
  config: readConfig,
  auth: readAuth,
  scheduler: readScheduler,
  taskio: readTaskio,
  worker: (env: NodeJS.ProcessEnv) => readWorker({ WORKER_NAME: "local", ...env }),
  gateway: readGateway,
  port: readPortSettings,
};

/** What the server and every service in it are told. */
export type AllInOneSettings = {
  readonly [Name in keyof typeof readers]: ReturnType<(typeof readers)[Name]>;
};

/** Reads all of it, so that nothing starts with a part of it wrong. Throws ConfigError with the faults that all of them found. */
export function readSettings(env: NodeJS.ProcessEnv): AllInOneSettings {
  return readEach<AllInOneSettings>(readers, env);
}
