import { z } from "zod";
import { allowedHosts } from "../../../../lib/outbound/allowed-host.ts";
import type { WaldiezSettings } from "./waldiez-needs.ts";

/** A limit for which nothing and less means that there is none. */
const limit = z.coerce.number().int();

/** What the Waldiez runner's routes are told by the environment. */
export const waldiezVariables = {
  MAX_JOBS: limit
    .max(10_000)
    .default(5)
    .describe(
      "How many tasks of a client may be active, of those that come by the Waldiez runner's routes; 0 is no limit.",
    ),
  INPUT_TIMEOUT: limit
    .max(2_592_000)
    .default(180)
    .describe(
      "How long their questions wait for an answer where the client does not say, in seconds; 0 is for ever.",
    ),
  MAX_TASK_DURATION: limit
    .max(604_800)
    .default(3_600)
    .describe("How long they may run, in seconds; 0 is as long as any task may."),
  FILE_URL_ALLOWED_HOSTS: allowedHosts
    .default([])
    .describe(
      "What the files of `file_url` may be fetched from although it is not public: hosts, `host:port` and `address/prefix`, with commas.",
    ),
};

/** The settings that the variables give. */
export function waldiezSettingsOf(read: z.output<z.ZodObject<typeof waldiezVariables>>): WaldiezSettings {
  return {
    maxJobs: Math.max(0, read.MAX_JOBS),
    inputTimeoutSeconds: Math.max(0, read.INPUT_TIMEOUT),
    maxTaskSeconds: Math.max(0, read.MAX_TASK_DURATION),
    fileUrlAllowedHosts: read.FILE_URL_ALLOWED_HOSTS,
  };
}
