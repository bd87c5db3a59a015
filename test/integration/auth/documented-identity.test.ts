/*
 * The examples of docs/identity.md, as a reader runs them: one after the other,
 * with what the ones before answered.
 */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { readSettings } from "../../../services/auth/config.ts";
import { openFrontDoor } from "./front-door.ts";

const page = await readFile(new URL("../../../docs/identity.md", import.meta.url), "utf8");
const blocks = (kind: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${kind}\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);

test("the commands of docs/identity.md answer what it says", async () => {
  await using door = await openFrontDoor();
  const credentials = { CLIENT_ID: "reader", CLIENT_SECRET: "the-secret-of-the-reader" };
  await door.addClient(credentials.CLIENT_ID, credentials.CLIENT_SECRET);
  const { PATH } = process.env;
  const variables: Record<string, string | undefined> = { PATH, URL: door.url, ...credentials };
  const answers: unknown[] = [];
  for (const command of blocks("sh")) {
    const { stdout } = await promisify(execFile)("sh", ["-ec", command], { env: variables });
    const answer = (stdout === "" ? {} : JSON.parse(stdout)) as Readonly<Record<string, string | undefined>>;
    answers.push(answer);
    variables["TOKEN"] = answer["access_token"] ?? variables["TOKEN"];
    variables["REFRESH_TOKEN"] = answer["refresh_token"] ?? variables["REFRESH_TOKEN"];
  }
  expect(answers).toMatchObject([
    { token_type: "bearer", scope: "read write", audience: "tasks-api" },
    { client: { clientId: "reader" }, scopes: ["read", "write"] },
    { token_type: "bearer", scope: "read write" },
    { active: true, client_id: "reader" },
    {},
  ]);
  expect(await door.whoIs(variables["TOKEN"] ?? "")).toBe("TOKEN_REVOKED");
});

test("the issuer of docs/identity.md is one that auth understands", () => {
  const [issuers = ""] = blocks("json");
  expect(readSettings({ OIDC_ISSUERS: issuers }).federation.issuers).toMatchObject([
    { name: "corp", allowsUnregistered: true },
  ]);
});
