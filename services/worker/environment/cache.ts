import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { chmod, mkdir, readdir, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { delay } from "../../../lib/async/delay.ts";
import { FileLock } from "../../../lib/process/file-lock.ts";
import { BuildLog, followLog } from "./build-log.ts";
import { BuildSandbox, venvTarget } from "./build-sandbox.ts";
import { type BuildNeeds, buildEnvironment, type EnvironmentRecord } from "./builder.ts";
import { type EnvironmentSpec, environmentDigest } from "./environment-spec.ts";
import { readIndexSettings } from "./index-settings.ts";
import { findInterpreter, type Interpreter } from "./interpreter.ts";
import { removeSealed } from "./remove-sealed.ts";
import { SharedWork } from "./shared-work.ts";

/*
 * Environments by their content, on one host, shared by all its workers:
 *
 *   environments/ready/<digest>/      environment.json (its time: last used), venv/ (sealed)
 *   environments/building/<digest>.*  being built, or being removed
 *   environments/locks/<digest>       lock file, never removed
 *   environments/logs/<digest>        what the build says, while it lasts
 *   environments/downloads/           what pip and uv keep
 *
 *   E1. ready/<digest> exists only complete and sealed: renaming it there is
 *       the last thing that a build does.
 *   E2. Only who holds the exclusive lock of a digest builds it, renames it in
 *       or out, or removes what lies of it in building/. So there is one
 *       builder on the host, and what lies in building/ while the lock is free
 *       was left by one that died.
 *   E3. Who uses an environment holds its shared lock from before it looks
 *       until it is done, so nobody removes it meanwhile.
 *   E4. Locks are the kernel's and end with their process, so a crash leaves
 *       nothing that looks held.
 *   E5. A failed build leaves nothing; the next who asks builds again.
 */

/** A host folder that a program of this environment has to see, read-only. */
export interface EnvironmentMount {
  readonly source: string;
  readonly target: string;
}

/** An environment in use; disposing of it says that the attempt is done with it. */
export interface Environment extends AsyncDisposable {
  readonly kind: "system" | "venv";
  /** The interpreter where the sandbox shows it: the system's own path, or below one of the mounts. */
  readonly python: string;
  /** As in `3.11.2`. */
  readonly version: string;
  readonly mounts: readonly EnvironmentMount[];
  readonly digest: string;
}

/** How a cache is set up. */
export interface EnvironmentCacheOptions {
  /** An absolute folder that every uid may traverse; the cache lives in `environments` below it. */
  readonly directory: string;
  /** The Python for programs; the system's when unset. */
  readonly pythonPath?: string;
  /** What the environments may take together, 20 GB when unset. One that is in use stays even so. */
  readonly maxBytes?: number;
  /** Whether packages may be installed without a sandbox. Only for trusted code. */
  readonly allowUncontainedBuilds?: boolean;
  /** Names the package index, certificates and proxies to use; this process's own when unset. */
  readonly variables?: NodeJS.ProcessEnv;
}

/** How one is asked for. */
export interface AcquireOptions {
  /** Receives what the build says while this call waits for it; nothing when the environment is there. */
  readonly onOutput?: (chunk: Buffer) => void;
  /** Gives up waiting. A build that others wait for goes on. */
  readonly signal?: AbortSignal;
}

const defaultMaxBytes = 20e9;
/** How often a lock held by another process is tried again. */
const retryMs = 100;

/** The environments of this host. Made by `open`; disposing of it ends the builds of this process. */
export class EnvironmentCache implements AsyncDisposable {
  /** The Python that programs without requirements run on, and that environments are made from. */
  readonly interpreter: Interpreter;
  readonly #options: EnvironmentCacheOptions;
  readonly #folder: string;
  readonly #builds = new SharedWork();

  private constructor(options: EnvironmentCacheOptions, interpreter: Interpreter) {
    this.interpreter = interpreter;
    this.#options = options;
    this.#folder = join(options.directory, "environments");
  }

  /**
   * Finds the interpreter, and removes what builders that died have left.
   *
   * @throws EnvironmentError `PYTHON_UNAVAILABLE`.
   */
  static async open(options: EnvironmentCacheOptions): Promise<EnvironmentCache> {
    const variables = options.variables ?? process.env;
    const interpreter = await findInterpreter(options.pythonPath, variables["PATH"] ?? "");
    const cache = new EnvironmentCache(options, interpreter);
    for (const name of ["", "ready", "building", "locks", "logs", "downloads"]) {
      const folder = join(cache.#folder, name);
      await mkdir(folder, { recursive: true });
      // Programs and builds traverse these as other uids, whatever this process's umask is.
      await chmod(folder, 0o755);
    }
    const left = await readdir(join(cache.#folder, "building"));
    for (const digest of new Set(left.map((name) => name.slice(0, name.indexOf("."))))) {
      await cache.#exclusively(digest, () => cache.#removeLeftOf(digest));
    }
    await cache.#evict();
    return cache;
  }

  /**
   * An environment for the spec, built first if it is missing. Dispose of it
   * when the attempt has ended.
   *
   * @throws EnvironmentError `BUILD_FAILED` or `SANDBOX_UNAVAILABLE`.
   */
  async acquire(spec: EnvironmentSpec, { onOutput, signal }: AcquireOptions = {}): Promise<Environment> {
    const { prefix, path, version } = this.interpreter;
    const digest = environmentDigest(spec, this.interpreter);
    const mounts = prefix === "/usr" ? [] : [{ source: prefix, target: prefix }];
    if (spec.requirements.length === 0) {
      return {
        kind: "system",
        python: path,
        version,
        mounts,
        digest,
        [Symbol.asyncDispose]: async () => undefined,
      };
    }
    for (;;) {
      const lock = await FileLock.take(this.#lockOf(digest), "shared");
      if (lock !== undefined && this.#isReady(digest)) {
        await utimes(this.#recordOf(digest), new Date(), new Date());
        return {
          kind: "venv",
          python: `${venvTarget}/bin/python`,
          version,
          mounts: [...mounts, { source: join(this.#readyOf(digest), "venv"), target: venvTarget }],
          digest,
          [Symbol.asyncDispose]: () => lock.release(),
        };
      }
      await lock?.release();
      await this.#watched(digest, onOutput, () =>
        this.#builds.run(digest, (end) => this.#ensureReady(digest, spec, end), signal),
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#builds[Symbol.asyncDispose]();
  }

  /** Builds, or waits until another process has built. */
  async #ensureReady(digest: string, spec: EnvironmentSpec, signal: AbortSignal): Promise<void> {
    while (!this.#isReady(digest)) {
      signal.throwIfAborted();
      const wasOurs = await this.#exclusively(digest, () => this.#build(digest, spec, signal));
      if (!wasOurs) await delay(retryMs, signal);
    }
  }

  async #build(digest: string, spec: EnvironmentSpec, signal: AbortSignal): Promise<void> {
    if (this.#isReady(digest)) return;
    await this.#removeLeftOf(digest);
    const { interpreter } = this;
    const variables = this.#options.variables ?? process.env;
    const allowUncontained = this.#options.allowUncontainedBuilds ?? false;
    const needs: BuildNeeds = {
      interpreter,
      sandbox: await BuildSandbox.open(interpreter, { allowUncontained }),
      settings: await readIndexSettings(variables, interpreter.path),
      path: variables["PATH"] ?? "",
      downloads: join(this.#folder, "downloads"),
    };
    const folder = join(this.#folder, "building", `${digest}.${randomUUID()}`);
    const log = new BuildLog(this.#logOf(digest));
    try {
      await mkdir(folder);
      await chmod(folder, 0o755);
      await buildEnvironment(needs, { digest, spec, folder, log, signal });
      await rename(folder, this.#readyOf(digest));
    } finally {
      log.remove();
      await removeSealed(folder);
    }
    await this.#evict();
  }

  /** Removes environments, the longest unused first, until the rest fit. */
  async #evict(): Promise<void> {
    const digests = await readdir(join(this.#folder, "ready"));
    const found = digests.flatMap((digest) => this.#recordedOf(digest) ?? []);
    let bytes = found.reduce((sum, each) => sum + each.bytes, 0);
    for (const each of found.sort((one, other) => one.usedAtMs - other.usedAtMs)) {
      if (bytes <= (this.#options.maxBytes ?? defaultMaxBytes)) return;
      const wasIdle = await this.#exclusively(each.digest, async () => {
        await rename(this.#readyOf(each.digest), join(this.#folder, "building", `${each.digest}.old`));
        await this.#removeLeftOf(each.digest);
      });
      if (wasIdle) bytes -= each.bytes;
    }
  }

  async #removeLeftOf(digest: string): Promise<void> {
    const building = join(this.#folder, "building");
    for (const name of await readdir(building)) {
      if (name.startsWith(`${digest}.`)) await removeSealed(join(building, name));
    }
    // A log without its builder would be taken for one that goes on.
    await removeSealed(this.#logOf(digest));
  }

  /** Does something under the exclusive lock of a digest; false when somebody else holds it. */
  async #exclusively(digest: string, work: () => Promise<void>): Promise<boolean> {
    const lock = await FileLock.take(this.#lockOf(digest), "exclusive");
    if (lock === undefined) return false;
    try {
      await work();
    } finally {
      await lock.release();
    }
    return true;
  }

  async #watched(
    digest: string,
    onOutput: ((chunk: Buffer) => void) | undefined,
    work: () => Promise<void>,
  ): Promise<void> {
    const ended = new AbortController();
    const following = onOutput && followLog(this.#logOf(digest), onOutput, ended.signal);
    try {
      await work();
    } finally {
      ended.abort();
      await following;
    }
  }

  #isReady(digest: string): boolean {
    return existsSync(this.#readyOf(digest));
  }

  #recordedOf(digest: string): (EnvironmentRecord & { readonly usedAtMs: number }) | undefined {
    try {
      const record: EnvironmentRecord = JSON.parse(readFileSync(this.#recordOf(digest), "utf8"));
      return { ...record, usedAtMs: statSync(this.#recordOf(digest)).mtimeMs };
    } catch {
      // Removed by another worker since it was listed.
      return undefined;
    }
  }

  #readyOf(digest: string): string {
    return join(this.#folder, "ready", digest);
  }

  #recordOf(digest: string): string {
    return join(this.#readyOf(digest), "environment.json");
  }

  #lockOf(digest: string): string {
    return join(this.#folder, "locks", digest);
  }

  #logOf(digest: string): string {
    return join(this.#folder, "logs", digest);
  }
}
