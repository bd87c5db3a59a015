import type { AllowedHost } from "../../../../lib/outbound/allowed-host.ts";
import type { Caller } from "../../../../lib/rpc/authenticate.ts";
import type { FetchFile } from "./fetch-file.ts";

/** How the Waldiez runner's routes are set up. */
export interface WaldiezSettings {
  /** How many tasks of a client may be active; 0 for any number. */
  readonly maxJobs: number;
  /** How long questions wait for their answers where the client does not say, in seconds; 0 for ever. */
  readonly inputTimeoutSeconds: number;
  /** How long a task may run, in seconds; 0 for as long as any may. */
  readonly maxTaskSeconds: number;
  /** What files may be fetched from although it is not public. */
  readonly fileUrlAllowedHosts: readonly AllowedHost[];
}

/** What the Waldiez runner's routes need besides the services behind. */
export interface WaldiezNeeds {
  readonly settings: WaldiezSettings;
  readonly fetchFile: FetchFile;
  /** Rejects, with NOT_PERMITTED, when the operator's service does not let the caller make a task. */
  readonly permit: (caller: Caller) => Promise<void>;
}
