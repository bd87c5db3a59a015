import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { type Command, createCommand } from "commander";
import { inOurNames } from "../../lib/config/seed-names.ts";
import type { CommandContext } from "../command-context.ts";
import { checkBroker } from "../doctor/broker.ts";
import { checkDatabase } from "../doctor/database.ts";
import { type Finding, type Surroundings, sayingOf } from "../doctor/finding.ts";
import { checkNode } from "../doctor/node.ts";
import { checkPython, checkUv } from "../doctor/python.ts";
import { checkSandbox } from "../doctor/sandbox.ts";
import { checkDataFolder, checkPort } from "../doctor/server.ts";
import { exitCode } from "../exit-code.ts";
import { findLocalServer } from "../local-server.ts";
import { type FormatOption, withFormat } from "../output-format.ts";
import { plainText } from "../plain-text.ts";
import type { Screen } from "../screen.ts";
import { padded } from "../table.ts";

const checks = {
  node: checkNode,
  python: checkPython,
  uv: checkUv,
  sandbox: checkSandbox,
  postgres: checkDatabase,
  redis: checkBroker,
  port: checkPort,
  "data folder": checkDataFolder,
};

/** `antiphon doctor`: looks at what the machine has, and tells what is missing and the command that mends it. */
export function doctorCommand(context: CommandContext): Command {
  const command = createCommand("doctor")
    .description("look at what this machine has, and tell what is missing and the command that mends it")
    .option("--data-dir <folder>", "the data folder of a server here")
    .action(async ({ output, dataDir }: FormatOption & { readonly dataDir?: string }) => {
      const { env } = inOurNames({
        ...variablesOfFile(".env"),
        ...process.env,
        ...(dataDir !== undefined && { ANTIPHON_DATA_DIR: dataDir }),
      });
      const findings = await findAll(env);
      const screen = context.screen();
      if (output === "json") await screen.line(JSON.stringify({ findings }, undefined, 2));
      else for (const finding of findings) await print(screen, finding);
      if (findings.some(({ status }) => status === "missing")) context.endWith(exitCode.failed);
    });
  return withFormat(command, ["table", "json"]);
}

async function findAll(env: NodeJS.ProcessEnv): Promise<readonly Finding[]> {
  const temporary = await mkdtemp(join(tmpdir(), "antiphon-doctor-"));
  const local = await findLocalServer({ dataDirectory: env["ANTIPHON_DATA_DIR"], from: process.cwd() });
  const running = local?.url === undefined ? undefined : new URL(local.url);
  const surroundings: Surroundings = {
    env,
    temporary,
    dataDirectory: local?.dataDirectory ?? resolve(env["ANTIPHON_DATA_DIR"] ?? ".antiphon"),
    host: running?.hostname ?? env["API_HOST"] ?? "127.0.0.1",
    port: Number(running?.port || (env["API_PORT"] ?? 8_000)),
    serverPid: running === undefined ? undefined : local?.pid,
  };
  try {
    const found = await Promise.all(
      Object.entries(checks).map(([name, check]) =>
        check(surroundings).catch(
          (error: unknown): Finding => ({ name, status: "missing", detail: sayingOf(error) }),
        ),
      ),
    );
    return found.flat();
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** As a server that is started here reads it; nothing when there is no such file. */
function variablesOfFile(path: string): NodeJS.Dict<string> {
  try {
    return parseEnv(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

async function print(screen: Screen, { name, status, detail, mend }: Finding): Promise<void> {
  const { green, red, yellow } = screen.colors;
  const color = { ok: green, missing: red, optional: yellow }[status];
  await screen.line(`${color(padded(status, 8))}  ${padded(name, 11)}  ${plainText(detail)}`);
  if (mend !== undefined) await screen.line(`${padded("", 23)}${mend}`);
}
