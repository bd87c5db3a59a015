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
    const both = chapters().flatMap(([service, rows]) => {
      const example = variablesIn(service === "npm start" ? "all-in-one" : service);
      return rows.flatMap(({ name, shown }) => {
        const written = example.get(name) ?? "";
        // What differs from machine to machine is told in words.
        const isTold = shown === "" || shown === "required" || /[ ;]|HOSTNAME/.test(shown);
        return written === "" || isTold ? [] : [{ name, shown, written }];
      });
    });
    expect(both.length).toBeGreaterThan(30);
    expect(both.filter(({ shown, written }) => shown !== written)).toEqual([]);
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
