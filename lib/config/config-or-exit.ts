import { logger } from "../log/log.ts";
import { ConfigError } from "./env.ts";
import { inOurNames } from "./seed-names.ts";

/** Reads the configuration of a process from its environment, in the seeds' names too; where it can not be used, says why and ends the process with 2, as for a wrong command line. */
export function configOrExit<Config>(
  read: (env: NodeJS.ProcessEnv) => Config,
  env: NodeJS.ProcessEnv,
): Config {
  const { env: said, unused } = inOurNames(env);
  for (const why of unused) logger("settings").warn({ why }, "variable without a meaning here");
  try {
    return read(said);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
