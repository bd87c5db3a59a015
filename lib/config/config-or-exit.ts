import { ConfigError } from "./env.ts";

/** Reads the configuration of a process from its environment; where it can not be used, says why and ends the process with 2, as for a wrong command line. */
export function configOrExit<Config>(
  read: (env: NodeJS.ProcessEnv) => Config,
  env: NodeJS.ProcessEnv,
): Config {
  try {
    return read(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
