import { z } from "zod";
import { allowedHosts } from "../../../../lib/outbound/allowed-host.ts";
import type { WaldiezSettings } from "./waldiez-needs.ts";

/** A limit for which nothing and less means that there is none. */
const limit = z.coerce.number().int();

/** What the Waldiez runner's routes are told by the environment; by its own names as well. */
export const waldiezVariables = {
  /** How many tasks of a client may be active. */
  MAX_JOBS: limit.max(10_000).optional(),
  WALDIEZ_RUNNER_MAX_JOBS: limit.max(10_000).optional(),
  /** How long questions wait for their answers where the client does not say, in seconds. */
  INPUT_TIMEOUT: limit.max(2_592_000).optional(),
  WALDIEZ_RUNNER_INPUT_TIMEOUT: limit.max(2_592_000).optional(),
  /** How long a task may run, in seconds. */
  MAX_TASK_DURATION: limit.max(604_800).optional(),
  WALDIEZ_RUNNER_MAX_TASK_DURATION: limit.max(604_800).optional(),
  /** What files may be fetched from although it is not public. */
  FILE_URL_ALLOWED_HOSTS: allowedHosts.default([]),
};

/** The settings that the variables give. */
export function waldiezSettingsOf(read: z.output<z.ZodObject<typeof waldiezVariables>>): WaldiezSettings {
  return {
    maxJobs: Math.max(0, read.MAX_JOBS ?? read.WALDIEZ_RUNNER_MAX_JOBS ?? 5),
    inputTimeoutSeconds: Math.max(0, read.INPUT_TIMEOUT ?? read.WALDIEZ_RUNNER_INPUT_TIMEOUT ?? 180),
    maxTaskSeconds: Math.max(0, read.MAX_TASK_DURATION ?? read.WALDIEZ_RUNNER_MAX_TASK_DURATION ?? 3_600),
    fileUrlAllowedHosts: read.FILE_URL_ALLOWED_HOSTS,
  };
}
