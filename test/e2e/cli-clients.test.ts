/*
 * The command line with a real server: a client's whole life.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Antiphon, startAllInOne } from "../support/antiphon-processes.ts";
import { CommandLine } from "../support/command-line.ts";

let server: Antiphon;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  server = await startAllInOne();
  env = { ANTIPHON_DATA_DIR: server.dataDirectory };
});
afterAll(() => server[Symbol.asyncDispose]());

async function antiphon(line: readonly string[], more: NodeJS.ProcessEnv = {}) {
  using command = CommandLine.piped(line, { ...env, ...more });
  return await command.end();
}

test("a client is made, used, given another secret, weakened, disabled and deleted", async () => {
  const made = await antiphon([
    "client",
    "create",
    "notebook",
    "--name",
    "Bob's notebook",
    "--scope",
    "read",
    "write",
    "-o",
    "json",
  ]);
  expect(made.code).toBe(0);
  const { clientSecret } = JSON.parse(made.stdout) as { clientSecret: string };
  const asNotebook = { ANTIPHON_CLIENT_ID: "notebook", ANTIPHON_CLIENT_SECRET: clientSecret };
  const me = await antiphon(["whoami"], asNotebook);
  expect(me.stdout).toMatch(/notebook +Bob's notebook +tasks-api +read write/);
  expect((await antiphon(["client", "list"], asNotebook)).code).toBe(4);

  const listed = await antiphon(["client", "list", "--text", "BOB", "-o", "name"]);
  expect(listed.stdout).toBe("notebook\n");
  const uid = /uid +(\S+)/.exec((await antiphon(["client", "get", "notebook"])).stdout)?.[1] ?? "";
  const changed = await antiphon(["client", "update", uid, "--scope", "read", "--description", "old"]);
  expect(changed.stdout).toMatch(/description +old/);
  expect((await antiphon(["whoami"], asNotebook)).stdout).toMatch(/tasks-api +read$/m);

  const rotated = await antiphon(["client", "rotate-secret", "notebook", "--grace", "0s", "-o", "json"]);
  const next = JSON.parse(rotated.stdout) as { clientSecret: string };
  expect((await antiphon(["whoami"], asNotebook)).code).toBe(4);
  const renewed = { ...asNotebook, ANTIPHON_CLIENT_SECRET: next.clientSecret };
  const token = (await antiphon(["token"], renewed)).stdout.trim();
  const bearing = { ANTIPHON_TOKEN: token };
  expect((await antiphon(["whoami"], bearing)).code).toBe(0);

  expect((await antiphon(["client", "disable", "notebook"])).stdout).toBe("client notebook is disabled\n");
  const refused = await antiphon(["whoami"], bearing);
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("TOKEN_REVOKED");
  await antiphon(["client", "enable", uid]);
  expect((await antiphon(["whoami"], renewed)).code).toBe(0);

  expect((await antiphon(["client", "delete", "notebook"])).code).toBe(2);
  expect((await antiphon(["client", "delete", "notebook", "-y"])).stdout).toBe(
    "client notebook is deleted\n",
  );
  expect((await antiphon(["client", "get", "notebook"])).code).toBe(3);
});

test("a secret is not among the names, which are all that would be left of it", async () => {
  const { code, stderr } = await antiphon(["client", "create", "-o", "name"]);
  expect(code).toBe(2);
  expect(stderr).toContain("table, json, yaml");
});

test("a token of each local client is to be had", async () => {
  const token = (await antiphon(["token", "--audience", "clients-api"])).stdout.trim();
  const { stdout } = await antiphon(["whoami"], { ANTIPHON_TOKEN: token });
  expect(stdout).toContain("clients-api");
});
