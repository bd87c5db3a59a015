import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { configurationPage } from "../scripts/configuration-page.ts";

const page = configurationPage();

describe("docs/configuration.md", () => {
  test("is what `node scripts/document-configuration.ts` makes", () => {
    const kept = readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8");
    expect(kept === page, "run: node scripts/document-configuration.ts").toBe(true);
  });

  test("shows the defaults that the env examples show", () => {
    for (const [service, rows] of chapters()) {
      const example = variablesIn(service === "npm start" ? "all-in-one" : service);
      for (const { name, shown } of rows) {
        const written = example.get(name) ?? "";
        // Required ones, and those that no two machines have in common, are examples there.
        if (shown === "required" || shown.includes(" ") || shown.includes("HOSTNAME")) continue;
        if (written !== "" && shown !== "") expect(`${name}=${written}`).toBe(`${name}=${shown}`);
      }
    }
  });
});

function chapters(): (readonly [string, readonly { readonly name: string; readonly shown: string }[]])[] {
  return [...page.matchAll(/^## ([\w ]+)\n(.*?)(?=^## )/gms)].map(([, service = "", text = ""]) => [
    service,
    [...text.matchAll(/^\| `(\w+)` \| `?([^|`]*)`? ?\|/gm)].map(([, name = "", shown = ""]) => ({
      name,
      shown: shown.trim(),
    })),
  ]);
}

function variablesIn(service: string): ReadonlyMap<string, string> {
  const text = readFileSync(new URL(`../deploy/${service}.env.example`, import.meta.url), "utf8");
  const lines = [...text.matchAll(/^# ([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  return new Map(lines.map(([, name = "", value = ""]) => [name, value]));
}
