import { type Command, Option } from "commander";
import { Antiphon, type Credentials } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";
import { findLocalServer, type LocalServer } from "./local-server.ts";

/** Where the server is and who calls it, as options say it. */
export interface ServerOptions {
  readonly url?: string;
  readonly dataDir?: string;
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly token?: string;
}

/** For which audience most commands call. */
const usualAudiences = ["tasks-api"] as const;

/** Whoever manages clients: with the one all of them, with the other all but those of `admin-api`. */
export const managingAudiences = ["admin-api", "clients-api"] as const;

/** Adds the options that say where the server is. An option goes before its variable, and both before a local server's files. */
export function withServer(command: Command): Command {
  return command
    .addOption(new Option("--url <url>", "the server").env("ANTIPHON_URL"))
    .addOption(
      new Option("--data-dir <folder>", "the data folder of a local server").env("ANTIPHON_DATA_DIR"),
    )
    .addOption(new Option("--client-id <id>", "who calls").env("ANTIPHON_CLIENT_ID"))
    .addOption(
      new Option("--client-secret <secret>", "its secret; better by the variable").env(
        "ANTIPHON_CLIENT_SECRET",
      ),
    )
    .addOption(
      new Option("--token <token>", "a token instead of both; better by the variable").env("ANTIPHON_TOKEN"),
    );
}

/**
 * A client of the server that the options, the environment or a data folder name.
 * Of the clients in a data folder it is the one for the first of `audiences` that
 * there is. Asks nothing yet. Throws CommandFailure when there is none.
 */
export async function openServer(
  options: ServerOptions,
  audiences: readonly string[] = usualAudiences,
): Promise<Antiphon> {
  const local = await localServer(options);
  const url = options.url ?? local?.url;
  if (url === undefined) throw noServer(local);
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CommandFailure(`${url} is not the URL of a server`, {
      exitCode: exitCode.usage,
      reason: "USAGE",
      hint: "it looks like http://127.0.0.1:8000",
    });
  }
  return new Antiphon({ url, credentials: credentialsOf(options, local, audiences) });
}

/** Where the server is that the options, the environment or a data folder name; undefined when that can not be told. */
export async function serverUrl(options: ServerOptions): Promise<string | undefined> {
  return options.url ?? (await localServer(options).catch(() => undefined))?.url;
}

function localServer({ dataDir }: ServerOptions): Promise<LocalServer | undefined> {
  return findLocalServer({ dataDirectory: dataDir, from: process.cwd() });
}

function credentialsOf(
  { token, clientId, clientSecret }: ServerOptions,
  local: LocalServer | undefined,
  audiences: readonly string[],
): Credentials {
  if (token !== undefined) return { token };
  if (clientId !== undefined && clientSecret !== undefined) return { clientId, clientSecret };
  if (clientId !== undefined || clientSecret !== undefined) {
    throw noCredentials("only one of ANTIPHON_CLIENT_ID and ANTIPHON_CLIENT_SECRET is set");
  }
  const found = audiences.map((audience) => local?.clients.find((client) => client.audience === audience));
  const client = found.find((candidate) => candidate !== undefined);
  if (client === undefined)
    throw noCredentials(`no credentials for ${audiences.join(" or ")} are given or found`);
  return client;
}

function noServer(local: LocalServer | undefined): CommandFailure {
  const message =
    local === undefined
      ? "no server is running here: there is no .antiphon folder in this folder or above"
      : `no server is running on ${local.dataDirectory}`;
  return new CommandFailure(message, {
    exitCode: exitCode.unreachable,
    reason: "SERVER_UNREACHABLE",
    hint: "npm start, or set ANTIPHON_URL",
  });
}

function noCredentials(message: string): CommandFailure {
  return new CommandFailure(message, {
    exitCode: exitCode.unauthenticated,
    reason: "CREDENTIALS_MISSING",
    hint: "set ANTIPHON_CLIENT_ID and ANTIPHON_CLIENT_SECRET, or ANTIPHON_TOKEN",
  });
}
