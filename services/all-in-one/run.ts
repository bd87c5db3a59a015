import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { ConfigError } from "../../lib/config/env.ts";
import { inOurNames } from "../../lib/config/seed-names.ts";
import { untilSignal } from "../../lib/process/run-until-signal.ts";
import { allInOne } from "./all-in-one.ts";
import { readSettings } from "./settings.ts";
import { startUpLines } from "./start-up-lines.ts";

/** What the command line may say; each goes before the environment. */
export interface RunOptions {
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  readonly dataDir?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsClientCa?: string | undefined;
}

/**
 * Runs everything in this process until a signal ends it. What people should
 * know goes to standard error. Answers the exit status: 0 after a signal, 1 when
 * it could not start or go on, 2 for a configuration that can not be used.
 */
export async function runAllInOne(options: RunOptions = {}): Promise<number> {
  const say = (text: string): void => {
    process.stderr.write(`${text}\n`);
  };
  const asked = untilSignal();
  const { env, unused } = inOurNames({
    ...variablesOfFile(".env"),
    ...process.env,
    ...(options.host !== undefined && { API_HOST: options.host }),
    ...(options.port !== undefined && { API_PORT: options.port }),
    ...(options.dataDir !== undefined && { ANTIPHON_DATA_DIR: options.dataDir }),
    ...(options.tlsCert !== undefined && { TLS_CERT: options.tlsCert }),
    ...(options.tlsKey !== undefined && { TLS_KEY: options.tlsKey }),
    ...(options.tlsClientCa !== undefined && { TLS_CLIENT_CA: options.tlsClientCa }),
  });
  for (const why of unused) say(`without a meaning here: ${why}`);
  try {
    await using server = await allInOne(readSettings(env), env["LOG_LEVEL"]);
    for (const line of startUpLines(server.startUp)) say(line);
    const why = await Promise.race([asked.then(() => undefined), server.broken]);
    if (why === undefined) {
      say("stopping");
      return 0;
    }
    say(`antiphon can not go on: ${why}`);
    return 1;
  } catch (error) {
    say(`antiphon: ${error instanceof Error ? error.message : String(error)}`);
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE")
      say(
        "hint: another program listens there; take another port: npm start -- --port 8001, or API_PORT=8001",
      );
    if (!(error instanceof ConfigError) && env["LOG_LEVEL"] === "debug") say(String((error as Error).stack));
    return error instanceof ConfigError ? 2 : 1;
  }
}

/** The variables in a file of `NAME=value` lines; none when there is no such file. */
function variablesOfFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}
