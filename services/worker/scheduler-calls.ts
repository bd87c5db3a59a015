import type {
  FetchProgramResponse,
  HeartbeatRequest,
  HeartbeatResponse,
} from "../../gen/antiphon/worker/v1/worker_service_pb.ts";

/** A file on its way to the store. */
export interface ArtifactUpload extends HeldTask {
  /** Below the output folder. */
  readonly path: string;
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** An attempt, and the right to it. */
export interface HeldTask {
  readonly runId: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly leaseToken: string;
}

/** What a worker asks of the scheduler. Outages and defects are thrown; refusals that a worker acts on are values. */
export interface SchedulerCalls {
  readonly heartbeat: (
    request: Omit<HeartbeatRequest, "$typeName" | "$unknown">,
    signal: AbortSignal,
  ) => Promise<
    | { readonly kind: "heard"; readonly answer: HeartbeatResponse }
    /** A newer process runs under this worker id. */
    | { readonly kind: "superseded" }
  >;
  readonly fetchProgram: (
    of: HeldTask,
    signal: AbortSignal,
  ) => Promise<
    { readonly kind: "fetched"; readonly answer: FetchProgramResponse } | { readonly kind: "lease_lost" }
  >;
  /** The config of an attempt that did not come with its assignment. */
  readonly fetchConfig: (of: HeldTask, signal: AbortSignal) => Promise<Uint8Array | "lease_lost">;
  /** Keeps an output; answers its digest. */
  readonly storeOutput: (
    output: HeldTask & { readonly output: Uint8Array },
    signal: AbortSignal,
  ) => Promise<Uint8Array | "lease_lost">;
  readonly storeArtifact: (
    upload: ArtifactUpload,
    signal: AbortSignal,
  ) => Promise<
    | { readonly kind: "stored" }
    | { readonly kind: "lease_lost" }
    | { readonly kind: "refused"; readonly message: string }
  >;
}
