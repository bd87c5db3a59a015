import { z } from "zod";

/** What seed 003's `ENVIRONMENT` may say of a machine that is nobody's but its developer's. */
const developing = ["development", "dev", "local", "test", "testing"];

/**
 * Seed 003's `ENVIRONMENT`. Everything but a name for development is taken for
 * production, where nothing is simulated, kept in memory alone or open to calls
 * without a token unless it is asked for.
 */
export const environmentKind = z
  .string()
  .default("development")
  .transform((name) => (developing.includes(name.toLowerCase()) ? "development" : "production"))
  .describe(
    "`development`, or anything else for production: there nothing is simulated, the broker is not the process's memory, and calls without a token are let in only by `OPEN_WORKFLOW_ROUTES`.",
  );
