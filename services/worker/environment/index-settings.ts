import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** How a build reaches the package index. */
export interface IndexSettings {
  /** Environment variables for pip and uv. They may hold credentials and are given to the fetching step alone. */
  readonly variables: Readonly<Record<string, string>>;
  /** Files and folders that they name and that exist: certificates, folders of wheels. */
  readonly files: readonly string[];
}

/** What pip's settings are called for uv, which reads none of pip's. */
const uvNameOf: Readonly<Record<string, string>> = {
  PIP_INDEX_URL: "UV_DEFAULT_INDEX",
  PIP_EXTRA_INDEX_URL: "UV_INDEX",
  PIP_FIND_LINKS: "UV_FIND_LINKS",
  PIP_TRUSTED_HOST: "UV_INSECURE_HOST",
  PIP_CERT: "SSL_CERT_FILE",
};

/** Settings of pip about reaching an index. Others (where to install to, say) are the build's own affair. */
const pipOptions = new Set([
  "cert",
  "client-cert",
  "default-timeout",
  "extra-index-url",
  "find-links",
  "index-url",
  "no-index",
  "prefer-binary",
  "proxy",
  "retries",
  "timeout",
  "trusted-host",
]);

const passedOn =
  /^(UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|INDEX_STRATEGY|INSECURE_HOST|HTTP_TIMEOUT|NATIVE_TLS|SYSTEM_CERTS)|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE)$/i;

/**
 * The settings that pip and uv on this machine use, from `environment` and from
 * pip's configuration files. A machine without pip has only the former.
 */
export async function readIndexSettings(
  environment: NodeJS.ProcessEnv,
  python: string,
): Promise<IndexSettings> {
  const configured =
    (await pipConfig("pip", [], environment)) ?? (await pipConfig(python, ["-m", "pip"], environment));
  return indexSettings(environment, configured ?? "");
}

/** The same from the output of `pip config list`. */
export function indexSettings(environment: NodeJS.ProcessEnv, pipConfigList: string): IndexSettings {
  const variables: Record<string, string> = {};
  for (const [option, value] of pipOptionsOf(pipConfigList)) {
    variables[`PIP_${option.toUpperCase().replaceAll("-", "_")}`] = value;
  }
  for (const [name, value] of Object.entries(environment)) {
    const isPipOption =
      name.startsWith("PIP_") && pipOptions.has(name.slice(4).toLowerCase().replaceAll("_", "-"));
    if (value && (isPipOption || passedOn.test(name))) variables[name] = value;
  }
  for (const [pipName, uvName] of Object.entries(uvNameOf)) {
    const value = variables[pipName];
    if (value !== undefined && variables[uvName] === undefined) variables[uvName] = value;
  }
  return { variables, files: [...new Set(Object.values(variables).flatMap(localPaths))].filter(existsSync) };
}

/** Later lines win over earlier ones but for `:env:`, which wins over all; a command's own section over `global`. */
function pipOptionsOf(pipConfigList: string): ReadonlyMap<string, string> {
  const rank = (section: string) => ["global", "download", "install", ":env:"].indexOf(section);
  const lines = pipConfigList
    .split("\n")
    .map((line) => /^(?<section>[^.]+)\.(?<option>[\w-]+)='(?<value>.*)'$/.exec(line.trim())?.groups)
    .filter((groups) => groups !== undefined)
    .filter(({ section, option }) => rank(section ?? "") >= 0 && pipOptions.has(option ?? ""))
    .sort((one, other) => rank(one["section"] ?? "") - rank(other["section"] ?? ""));
  return new Map(
    lines.map(({ option, value }) => [option ?? "", (value ?? "").replaceAll("\\n", " ").trim()]),
  );
}

function localPaths(value: string): readonly string[] {
  return value
    .split(/\s+/)
    .map((word) => (word.startsWith("file:///") ? fileURLToPath(word) : word))
    .filter(isAbsolute);
}

async function pipConfig(
  command: string,
  before: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(command, [...before, "config", "list"], {
      env: environment,
      timeout: 20_000,
    });
    return stdout;
  } catch {
    // Without a pip on the machine there is no configuration of its either.
    return undefined;
  }
}
