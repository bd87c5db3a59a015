/*
 * Every HTTP route, tried by schemathesis with requests that it makes of the
 * OpenAPI document: no answer is a 500, every answer is one that the document
 * has, and fits its schema.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Antiphon, environment, startAllInOne } from "../support/antiphon-processes.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const run = promisify(execFile);

/** From the Python index; in a folder of its own. */
const schemathesis = "schemathesis==4.32.5";

/** What is looked for. Whether a request is refused for being wrong is each route's own test. */
const checks =
  "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method";

const audiences = ["tasks-api", "clients-api", "admin-api"] as const;

const opened = new AsyncDisposableStack();
let antiphon: Antiphon;
let folder: string;
let tool: string;

beforeAll(async () => {
  folder = opened.use(await temporaryFolder("schemathesis")).path;
  antiphon = opened.use(
    await startAllInOne({ RATE_LIMIT_LOGINS_PER_SECOND: "0", RATE_LIMIT_CLIENT_LOGINS_PER_SECOND: "0" }),
  );
  await run("/usr/bin/python3", ["-m", "venv", folder]);
  await run(join(folder, "bin/pip"), ["install", "--quiet", schemathesis], { env: environment({}) });
  tool = join(folder, "bin/schemathesis");
}, 240_000);

afterAll(() => opened.disposeAsync());

test.each(audiences)("no request of a client for %s breaks a route", async (audience) => {
  const client = antiphon.clients.find((one) => one.audience === audience);
  const body = new URLSearchParams({
    client_id: client?.client_id ?? "",
    client_secret: client?.client_secret ?? "",
  });
  const issued = await fetch(`${antiphon.url}/auth/token`, { method: "POST", body });
  const { access_token: token } = (await issued.json()) as { access_token: string };
  const options = [
    ["--header", `Authorization: Bearer ${token}`],
    ["--checks", checks],
    ["--phases", "coverage,fuzzing"],
    ["--max-examples", "10"],
    ["--request-timeout", "20"],
    // A stream of events has no end.
    ["--exclude-path-regex", "/events$"],
    ["--suppress-health-check", "all"],
    ["--warnings", "off"],
  ].flat();
  const ended = await run(tool, ["run", `${antiphon.url}/api/openapi.json`, ...options], {
    env: environment({ NO_COLOR: "1" }),
    // It keeps what it found where it is called.
    cwd: folder,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: { stdout?: string; stderr?: string }) => ({
    stdout: `${error.stdout ?? ""}${error.stderr ?? ""}`,
    failed: true,
  }));
  if ("failed" in ended) expect.fail(shortened(ended.stdout));
  expect(ended.stdout).toContain("No issues found");
  expect((await fetch(`${antiphon.url}/health`)).status).toBe(200);
});

/** What went wrong, without the thousands of characters that some values have. */
function shortened(report: string): string {
  const lines = report.split("\n").map((line) => (line.length > 500 ? `${line.slice(0, 500)}…` : line));
  return lines.join("\n").slice(-20_000);
}
