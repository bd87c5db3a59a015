import type { TestProject } from "vitest/node";
import { startPostgres } from "./start-postgres.ts";
import { startRedis } from "./start-redis.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** The server that `freshDatabase` clones on. */
    postgresUrl: string;
    /** The path of the socket of a real Redis that all test files share: use a key prefix of your own. */
    redisUrl: string;
  }
}

/** Starts Postgres and Redis once for all test files of a project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await using started = new AsyncDisposableStack();
  project.provide("postgresUrl", started.use(await startPostgres()).url);
  project.provide("redisUrl", started.use(await startRedis()).url);
  const running = started.move();
  return () => running.disposeAsync();
}
