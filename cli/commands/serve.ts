import { fileURLToPath } from "node:url";
import { Argument, type Command, createCommand } from "commander";

/** What can be served, and the process that does. */
const mains = {
  all: "../../services/all-in-one/main.ts",
  gateway: "../../services/gateway/main.ts",
  auth: "../../services/auth/main.ts",
  scheduler: "../../services/scheduler/main.ts",
  taskio: "../../services/taskio/main.ts",
  worker: "../../services/worker/main.ts",
} as const;

interface ServeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly dataDir?: string;
}

/** The variables that say where a service listens. A worker listens nowhere. */
const variables: Readonly<Record<keyof typeof mains, readonly [host: string, port: string] | undefined>> = {
  all: ["API_HOST", "API_PORT"],
  gateway: ["API_HOST", "API_PORT"],
  auth: ["AUTH_HOST", "AUTH_PORT"],
  scheduler: ["SCHEDULER_HOST", "SCHEDULER_PORT"],
  taskio: ["TASKIO_HOST", "TASKIO_PORT"],
  worker: undefined,
};

/** `antiphon serve`: becomes the process of one service, or of all; options are set as the variables that it reads. */
export function serveCommand(): Command {
  return createCommand("serve")
    .description("run one service, or all in one process")
    .addArgument(new Argument("<service>").choices(Object.keys(mains)))
    .option("--host <address>", "where to listen")
    .option("--port <port>", "where to listen")
    .option("--data-dir <folder>", "where the server in one process keeps everything")
    .action(async (service: keyof typeof mains, { host, port, dataDir }: ServeOptions) => {
      const [hostVariable, portVariable] = variables[service] ?? [];
      if (host !== undefined && hostVariable !== undefined) process.env[hostVariable] = host;
      if (port !== undefined && portVariable !== undefined) process.env[portVariable] = port;
      if (dataDir !== undefined) process.env["ANTIPHON_DATA_DIR"] = dataDir;
      const main = new URL(mains[service], import.meta.url);
      // It reads the arguments of its own command line, which has none.
      process.argv = [process.execPath, fileURLToPath(main)];
      await import(main.href);
    });
}
