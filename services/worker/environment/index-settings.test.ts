import { describe, expect, test } from "vitest";
import { indexSettings } from "./index-settings.ts";

describe("indexSettings", () => {
  test("takes what pip is configured with, the environment before files and a command before global", () => {
    const { variables } = indexSettings(
      { PIP_TIMEOUT: "9", UNRELATED: "x" },
      [
        ":env:.retries='1'",
        "global.index-url='https://index.example/simple'",
        "global.retries='5'",
        "global.timeout='3'",
        "install.extra-index-url='https://a.example/\\nhttps://b.example/'",
        "global.target='/usr'",
      ].join("\n"),
    );
    expect(variables).toEqual({
      PIP_EXTRA_INDEX_URL: "https://a.example/ https://b.example/",
      PIP_INDEX_URL: "https://index.example/simple",
      PIP_RETRIES: "1",
      PIP_TIMEOUT: "9",
      UV_DEFAULT_INDEX: "https://index.example/simple",
      UV_INDEX: "https://a.example/ https://b.example/",
    });
  });

  test("passes proxies, certificates and uv's own settings on, and nothing else of the environment", () => {
    const given = {
      HTTPS_PROXY: "http://proxy.example",
      no_proxy: "localhost",
      SSL_CERT_FILE: "/etc/passwd",
      UV_DEFAULT_INDEX: "https://uv.example/",
      PIP_INDEX_URL: "https://pip.example/",
    };
    const { variables } = indexSettings(
      { ...given, PIP_TARGET: "/usr", DATABASE_URL: "x", UV_PYTHON: "y" },
      "",
    );
    expect(variables).toEqual(given);
  });

  test("names the files to show that exist: certificates and folders of wheels", () => {
    const { files } = indexSettings(
      {
        PIP_CERT: "/etc/passwd",
        PIP_FIND_LINKS: "file:///usr/share /no/such/folder https://wheels.example/",
      },
      "",
    );
    expect(files).toEqual(["/etc/passwd", "/usr/share"]);
  });
});
