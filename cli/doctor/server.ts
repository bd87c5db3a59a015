import { randomUUID } from "node:crypto";
import { rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { type Check, type Finding, sayingOf } from "./finding.ts";

/** Whether a server could listen, or does already. */
export const checkPort: Check = async ({ host, port }) => {
  const name = `port ${port}`;
  const fault = await listeningFault(host, port);
  if (fault === undefined) return { name, status: "ok", detail: `free on ${host}` };
  if (fault !== "EADDRINUSE")
    return { name, status: "missing", detail: `cannot listen on ${host}: ${fault}`, mend: "set API_HOST" };
  if (await isOurs(host, port)) return { name, status: "ok", detail: "a server of ours listens there" };
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

async function isOurs(host: string, port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://${host}:${port}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return (await answer.text()) === "OK";
  } catch {
    return false;
  }
}

async function nearestExisting(folder: string): Promise<string> {
  const exists = await stat(folder).then(
    () => true,
    () => false,
  );
  return exists ? folder : nearestExisting(dirname(folder));
}
