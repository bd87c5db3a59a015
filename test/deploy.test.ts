import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { readConfig as readAllInOneConfig } from "../services/all-in-one/config.ts";
import { readConfig as readAuthConfig, readSettings as readAuthSettings } from "../services/auth/config.ts";
import { readConfig as readGatewayConfig } from "../services/gateway/config.ts";
import {
  readConfig as readSchedulerConfig,
  readSettings as readSchedulerSettings,
} from "../services/scheduler/config.ts";
import {
  readConfig as readTaskIOConfig,
  readSettings as readTaskIOSettings,
} from "../services/taskio/config.ts";
import { readConnectionConfig, readConfig as readWorkerConfig } from "../services/worker/config.ts";

interface Container {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly security_opt?: readonly string[];
}

interface Compose {
  readonly services: Readonly<Record<string, Container>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
  readonly volumes: Readonly<Record<string, object>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** What reads the environment of each service: all of it, in parts that each report their own faults. */
const readers: Readonly<Record<string, readonly ((env: Environment) => unknown)[]>> = {
  gateway: [readGatewayConfig],
  auth: [readAuthConfig, readAuthSettings],
  scheduler: [readSchedulerConfig, readSchedulerSettings],
  taskio: [readTaskIOConfig, readTaskIOSettings],
  worker: [readWorkerConfig, readConnectionConfig],
  "all-in-one": [readAllInOneConfig],
};

/** Read by the logger of every service. */
const everywhere = "LOG_LEVEL";

const root = fileURLToPath(new URL("..", import.meta.url));
const composeText = read("deploy/compose.yaml");
const compose = parse(composeText, { merge: true }) as Compose;
const containers = Object.entries(compose.services);
const ours = containers.flatMap(([name, container]) => {
  const service = /^services\/(.+)\/main\.ts$/.exec(container.command?.[0] ?? "")?.[1];
  return service === undefined ? [] : [{ name, service, container }];
});

describe("compose.yaml", () => {
  test("runs every service, and two workers", () => {
    expect(ours.map(({ service }) => service).toSorted()).toEqual([
      "auth",
      "gateway",
      "scheduler",
      "taskio",
      "worker",
      "worker",
    ]);
  });

  test.each(ours)("tells $name everything that it needs, and nothing that it does not read", (our) => {
    const env = Object.fromEntries(
      Object.entries(our.container.environment ?? {}).map(([name, value]) => [name, filledIn(value)]),
    );
    const known = variablesOf(our.service);
    expect(Object.keys(env).filter((name) => !known.has(name))).toEqual([]);
    for (const reader of readers[our.service] ?? []) expect(() => reader(env)).not.toThrow();
  });

  test("hands secrets only to those that need them", () => {
    const holders = (name: string) =>
      containers.filter(([, { environment }]) => environment?.[name] !== undefined).map(([holder]) => holder);
    expect(holders("ANTIPHON_SECRET_KEY")).toEqual(["auth", "scheduler", "taskio"]);
    expect(holders("DATABASE_URL")).toEqual(["migrate", "auth", "scheduler", "taskio"]);
    expect(holders("ANTIPHON_WORKER_CLIENT_SECRET")).toEqual(["auth", "worker-1", "worker-2"]);
  });

  test("takes every secret from the file of secrets, which names them all and holds none", () => {
    const used = [...composeText.matchAll(/\$\{([A-Z_]+):\?\}/g)].map(([, name]) => name ?? "");
    const example = variablesIn("deploy/antiphon.env.example");
    expect([...new Set(used)].toSorted()).toEqual([...example.keys()].toSorted());
    for (const [, container] of containers) {
      for (const [name, value] of Object.entries(container.environment ?? {})) {
        if (/SECRET|PASSWORD/.test(name)) expect(value).toMatch(/^\$\{[A-Z_]+:\?\}$/);
      }
    }
    for (const [name, value] of example) if (/SECRET|PASSWORD/.test(name)) expect(value).toBe("");
  });

  test("names files, volumes and networks that exist", () => {
    for (const [, { image, command, volumes = [], networks }] of containers) {
      if (image === "antiphon") expect(existsSync(join(root, command?.[0] ?? "none"))).toBe(true);
      for (const volume of volumes) expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0]);
      for (const network of networks) expect(Object.keys(compose.networks)).toContain(network);
    }
    const mounted = containers.flatMap(([, { volumes = [] }]) =>
      volumes.map((volume) => volume.split(":")[0] ?? ""),
    );
    expect(Object.keys(compose.volumes).toSorted()).toEqual([...new Set(mounted)].toSorted());
  });

  test("waits for the health of what has a check, and for the end of what ends", () => {
    for (const [, { depends_on: needs = {} }] of containers) {
      for (const [needed, { condition }] of Object.entries(needs)) {
        const { healthcheck } = compose.services[needed] ?? {};
        expect(condition).toBe(
          healthcheck === undefined ? "service_completed_successfully" : "service_healthy",
        );
      }
    }
  });

  test("sends services where others listen", () => {
    for (const { container } of ours) {
      for (const [name, value] of Object.entries(container.environment ?? {})) {
        if (!/^(AUTH|SCHEDULER|TASKIO)_URL$/.test(name)) continue;
        const { hostname, port } = new URL(value);
        expect(listensOn(hostname)).toBe(Number(port));
      }
    }
  });

  test("asks each service for its health where it listens", () => {
    for (const { name, service, container } of ours) {
      // A worker listens nowhere.
      if (service === "worker") continue;
      const [, , script, url] = container.healthcheck?.test ?? [];
      expect(existsSync(join(root, script ?? "none"))).toBe(true);
      expect(Number(new URL(url ?? "").port)).toBe(listensOn(name));
    }
  });

  test("publishes the port of the gateway alone, on loopback", () => {
    const published = containers.flatMap(([name, { ports = [] }]) => ports.map((port) => `${name} ${port}`));
    expect(published).toEqual([`gateway 127.0.0.1:8000:${listensOn("gateway")}`]);
    expect(compose.networks["inside"]?.internal).toBe(true);
    const reachable = containers.filter(([, { networks }]) => networks.includes("outside"));
    expect(reachable.map(([name]) => name)).toEqual(["gateway", "worker-1", "worker-2"]);
  });

  test("lifts what stands in the way of a sandbox for workers alone", () => {
    const lifted = containers.filter(([, { security_opt: options = [] }]) =>
      options.some((option) => option.endsWith("=unconfined")),
    );
    expect(lifted.map(([name]) => name)).toEqual(["worker-1", "worker-2"]);
    for (const [, { security_opt: options }] of lifted) {
      expect(options).toEqual(
        expect.arrayContaining(["seccomp=unconfined", "systempaths=unconfined", "no-new-privileges"]),
      );
    }
  });

  test("gives every worker a name and a folder of its own", () => {
    const workers = ours.filter(({ service }) => service === "worker").map(({ container }) => container);
    expect(new Set(workers.map(({ environment }) => environment?.["WORKER_NAME"])).size).toBe(workers.length);
    expect(new Set(workers.map(({ volumes }) => volumes?.[0])).size).toBe(workers.length);
  });

  test("pins what it does not build", () => {
    const others = containers.map(([, { image }]) => image).filter((image) => image !== "antiphon");
    expect(others.length).toBeGreaterThan(0);
    for (const image of others) expect(image).toMatch(/^[a-z]+:\d/);
  });
});

describe("env examples", () => {
  test.each(Object.keys(readers))("of %s name what it reads, all of it and nothing else", (service) => {
    const example = variablesIn(`deploy/${service}.env.example`);
    expect([...example.keys()].toSorted()).toEqual([...variablesOf(service), everywhere].toSorted());
  });

  test("are there for every service that has a configuration", () => {
    const configured = readdirSync(join(root, "services")).filter((service) =>
      existsSync(join(root, "services", service, "config.ts")),
    );
    expect(Object.keys(readers).toSorted()).toEqual(configured.toSorted());
  });
});

describe("Dockerfile", () => {
  const lines = read("deploy/Dockerfile")
    .replaceAll("\\\n", " ")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const values = (instruction: string) =>
    lines
      .filter((line) => line.startsWith(`${instruction} `))
      .map((line) => line.slice(instruction.length + 1));

  test("begins with pinned images and ends as an ordinary user", () => {
    expect(values("FROM").length).toBeGreaterThan(1);
    for (const from of values("FROM")) expect(from).toMatch(/^[a-z]+:\d+-\S+( AS [a-z]+)?$/);
    expect(values("USER").at(-1)).toBe("node");
    const afterUser = lines.slice(lines.findIndex((line) => line.startsWith("USER ")));
    expect(afterUser.filter((line) => line.startsWith("RUN "))).toEqual([]);
  });

  test("holds no secret", () => {
    expect(
      [...values("ENV"), ...values("ARG")].filter((value) => /SECRET|PASSWORD|TOKEN|_URL/.test(value)),
    ).toEqual([]);
    expect(read("deploy/Dockerfile.dockerignore").split("\n")).toEqual(
      expect.arrayContaining(["**/*.env", "**/.antiphon", "**/.git"]),
    );
  });

  test("copies what npm run build makes", () => {
    const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;
    expect(values("RUN")).toContain("npm run build");
    expect(scripts["build"]).toBe("sh scripts/build.sh");
    expect(values("COPY")).toContain("--from=content /source/build ./");
  });

  test("sets only variables that services read", () => {
    const known = new Set([
      "NODE_ENV",
      ...Object.keys(readers).flatMap((service) => [...variablesOf(service)]),
    ]);
    const set = values("ENV").flatMap((value) => [...value.matchAll(/([A-Z_]+)=/g)].map(([, name]) => name));
    expect(set.length).toBeGreaterThan(0);
    expect(set.filter((name) => name === undefined || !known.has(name))).toEqual([]);
  });
});

/** Every variable that a service's `config.ts` asks for, told by the environment that it is given. */
function variablesOf(service: string): ReadonlySet<string> {
  const asked = new Set<string>();
  const recorder: Environment = new Proxy(
    {},
    {
      get: (_, name) => {
        if (typeof name === "string") asked.add(name);
        return undefined;
      },
    },
  );
  for (const reader of readers[service] ?? []) {
    try {
      reader(recorder);
    } catch {
      // Required ones are missing; it has asked for all of them before it says so.
    }
  }
  return new Set([...asked].filter((name) => !name.endsWith("_FILE")));
}

/** The variables of an env file, also those that are commented out. */
function variablesIn(path: string): ReadonlyMap<string, string> {
  const lines = [...read(path).matchAll(/^(?:# )?([A-Z][A-Z0-9_]*)=(.*)$/gm)];
  return new Map(lines.map(([, name = "", value = ""]) => [name, value]));
}

/** A value as compose would hand it over, with something in the place of each secret. */
function filledIn(value: string): string {
  return value.replaceAll(/\$\{[A-Z_]+:\?\}/g, "filled-in");
}

/** The port that a container of ours listens on, by its configuration. */
function listensOn(name: string): number | undefined {
  const our = ours.find((candidate) => candidate.name === name);
  const [reader] = readers[our?.service ?? ""] ?? [];
  const env = Object.entries(our?.container.environment ?? {}).map(([key, value]) => [key, filledIn(value)]);
  const config = reader?.(Object.fromEntries(env)) as { host: string; port: number } | undefined;
  // Inside a container loopback is reached by nobody.
  return config?.host === "0.0.0.0" ? config.port : undefined;
}

function read(path: string): string {
  return readFileSync(join(root, path), "utf8");
}
