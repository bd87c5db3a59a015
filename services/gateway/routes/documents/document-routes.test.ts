import { createRouterTransport } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { logger } from "../../../../lib/log/log.ts";
import { serve } from "../../../../lib/rpc/serve.ts";
import { aCaller } from "../../../../test/support/a-caller.ts";
import { describedAnswers } from "../../../../test/support/described-answers.ts";
import { httpApp } from "../../http/http-app.ts";
import { documentRoutes } from "./document-routes.ts";

const log = logger("gateway", "silent");
const opened = new AsyncDisposableStack();
const { routes, check } = describedAnswers(documentRoutes({ prefix: "/api", routes: [] }));

let url: string;

beforeAll(async () => {
  const behind = createRouterTransport(() => undefined);
  const verify = async () => aCaller();
  const app = httpApp({
    routes,
    transports: { auth: behind, scheduler: behind, taskio: behind },
    verify,
    tokenFor: () => undefined,
    log,
  });
  const server = await serve({ host: "127.0.0.1", port: 0, services: [], fallback: app, verify, log });
  opened.use(server);
  url = server.url;
});

afterAll(async () => {
  await opened.disposeAsync();
  check();
});

describe("the documentation", () => {
  test("is a description for programs", async () => {
    const answer = await fetch(`${url}/api/openapi.json`);
    expect(answer.headers.get("content-type")).toBe("application/json");
    const { paths } = (await answer.json()) as { paths: object };
    expect(Object.keys(paths)).toEqual(["/api/openapi.json", "/api/docs", "/api/docs/{file}"]);
  });

  test("is a page that loads files of this server alone, all of which are there", async () => {
    const answer = await fetch(`${url}/api/docs`);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(answer.headers.get("content-security-policy")).toContain("script-src 'self';");
    const page = await answer.text();
    const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file = ""]) => file);
    expect(files).toHaveLength(4);
    expect(page).not.toMatch(/https?:|<style|<script>|style=|onload/);
    const types = await Promise.all(
      files.map(async (file) => {
        const found = await fetch(url + file);
        expect((await found.arrayBuffer()).byteLength).toBe(Number(found.headers.get("content-length")));
        return [found.status, found.headers.get("content-type")];
      }),
    );
    expect(types).toEqual([
      [200, "image/png"],
      [200, "text/css; charset=utf-8"],
      [200, "text/javascript; charset=utf-8"],
      [200, "text/javascript; charset=utf-8"],
    ]);
  });

  test("is not sent again to who has it", async () => {
    for (const path of ["/api/openapi.json", "/api/docs", "/api/docs/swagger-ui.css"]) {
      const tag = (await fetch(url + path)).headers.get("etag") ?? "";
      const headers = { "if-none-match": `"other", W/${tag}` };
      const again = await fetch(url + path, { headers });
      expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, tag, ""]);
    }
  });

  test("has no other files", async () => {
    for (const file of ["index.html", "..%2fpackage.json", "swagger-ui-bundle.js.map"]) {
      expect((await fetch(`${url}/api/docs/${file}`)).status).toBe(422);
    }
  });
});
