import { inject } from "vitest";
import { type FreshDatabase, freshDatabaseOn } from "./start-postgres.ts";

/** A database of its own for a test file, with all migrations applied; to be disposed of. */
export async function freshDatabase(): Promise<FreshDatabase> {
  return freshDatabaseOn(inject("postgresUrl"));
}
