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
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
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
    .option("--tls-cert <file>", "speak HTTPS with this certificate; for gateway and all")
    .option("--tls-key <file>", "the certificate's key")
    .option("--tls-client-ca <file>", "ask every caller for a certificate of this authority")
    .action(async (service: keyof typeof mains, options: ServeOptions) => {
      const [hostVariable, portVariable] = variables[service] ?? [];
      set(hostVariable, options.host);
      set(portVariable, options.port);
      set("ANTIPHON_DATA_DIR", options.dataDir);
      set("TLS_CERT", options.tlsCert);
      set("TLS_KEY", options.tlsKey);
      set("TLS_CLIENT_CA", options.tlsClientCa);
      const main = new URL(mains[service], import.meta.url);
      // It reads the arguments of its own command line, which has none.
      process.argv = [process.execPath, fileURLToPath(main)];
      await import(main.href);
    });
}

function set(variable: string | undefined, value: string | undefined): void {
  if (variable !== undefined && value !== undefined) process.env[variable] = value;
}
