import { describe, expect, test } from "vitest";
import { startUpLines } from "./start-up-lines.ts";

const start = {
  version: "1.2.3",
  dataDirectory: "/srv/data",
  mustNameFolder: false,
  postgres: "",
  broker: "",
  sandbox: "",
  python: "",
  standIns: "",
  url: "http://127.0.0.1:8000",
  wantsCertificates: false,
  clientsFile: "",
  readyInMs: 700,
};

describe("startUpLines", () => {
  test("says nothing of a data folder that commands find by themselves", () => {
    expect(startUpLines(start).join("\n")).not.toContain("ANTIPHON_DATA_DIR");
  });

  test("says before the first command how another folder is named", () => {
    const lines = startUpLines({ ...start, mustNameFolder: true });
    const at = lines.indexOf("  export ANTIPHON_DATA_DIR=/srv/data");
    expect(at).toBeGreaterThan(0);
    expect(lines.findIndex((line) => line.includes("npx antiphon run"))).toBeGreaterThan(at);
  });

  test("says what commands need for TLS, and only then", () => {
    expect(startUpLines(start).join("\n")).not.toContain("ANTIPHON_TLS");
    const tls = { ...start, url: "https://127.0.0.1:8000" };
    expect(startUpLines(tls).join("\n")).toContain("export ANTIPHON_TLS_CA=");
    expect(startUpLines(tls).join("\n")).not.toContain("ANTIPHON_TLS_CERT");
    const mutual = startUpLines({ ...tls, wantsCertificates: true }).join("\n");
    expect(mutual).toContain("export ANTIPHON_TLS_CERT=");
  });

  test("quotes a folder for the shell", () => {
    const lines = startUpLines({ ...start, mustNameFolder: true, dataDirectory: "/my data/it's" });
    expect(lines).toContain("  export ANTIPHON_DATA_DIR='/my data/it'\\''s'");
  });
});
