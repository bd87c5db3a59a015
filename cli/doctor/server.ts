import { randomUUID } from "node:crypto";
import { rm, stat, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { type Check, type Finding, sayingOf } from "./finding.ts";

/** Whether a server could listen, or does already. */
export const checkPort: Check = async ({ host, port, serverPid }) => {
  const name = `port ${port}`;
  const fault = await listeningFault(host, port);
  if (fault === undefined) return { name, status: "ok", detail: `free on ${host}` };
  if (fault !== "EADDRINUSE")
    return { name, status: "missing", detail: `cannot listen on ${host}: ${fault}`, mend: "set API_HOST" };
  if (isAlive(serverPid) || (await isOurs(host, port)))
    return { name, status: "ok", detail: "a server of ours listens there" };
  const mend = `end what listens there (ss -ltnp 'sport = :${port}'), or start on another: npm start -- --port ${port + 1}`;
  return { name, status: "missing", detail: "another program listens there", mend };
};

/** Whether a server could keep its data. */
export const checkDataFolder: Check = async ({ dataDirectory }): Promise<Finding> => {
  const name = "data folder";
  try {
    const folder = await nearestExisting(dataDirectory);
    const trial = join(folder, `.antiphon-doctor-${randomUUID()}`);
    await writeFile(trial, "", { flag: "wx" });
    await rm(trial);
    return {
      name,
      status: "ok",
      detail: folder === dataDirectory ? dataDirectory : `${dataDirectory} (made at the first start)`,
    };
  } catch (error) {
    return {
      name,
      status: "missing",
      detail: `${dataDirectory}: ${sayingOf(error)}`,
      mend: "set ANTIPHON_DATA_DIR",
    };
  }
};

function listeningFault(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

/** Whether the process lives. One that asks callers for certificates answers no request of ours, so its word in the data folder has to do. */
function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function isOurs(host: string, port: number): Promise<boolean> {
  const answers = await Promise.all(
    [httpRequest, httpsRequest].map((request) => health(request, host, port)),
  );
  return answers.includes("OK");
}

/** Nothing is sent that is secret, so that any certificate will do. */
function health(
  request: typeof httpRequest | typeof httpsRequest,
  host: string,
  port: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(2_000);
  return new Promise((resolve) => {
    const nothing = () => resolve(undefined);
    const asked = request({ host, port, path: "/healthz", agent: false, rejectUnauthorized: false, signal });
    asked.on("error", nothing);
    asked.on("response", (answer) => void text(answer).then(resolve, nothing));
    asked.end();
  });
}

async function nearestExisting(folder: string): Promise<string> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  return exists ? folder : nearestExisting(dirname(folder));
}
