import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  type ExecuteRequest,
  type HearWorkerRequest,
  OwnerService,
} from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import type { WatchRunResponse } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { fromConnectError } from "../../lib/rpc/from-connect-error.ts";
import type { Standing } from "./hear-worker.ts";

/** How long another replica may take for a heartbeat. */
const hearTimeoutMs = 3_000;

/** The other replicas of the scheduler, by address. */
export class Peers {
  readonly #transportTo: (address: string) => Transport;
  readonly #clients = new Map<string, Client<typeof OwnerService>>();

  constructor(transportTo: (address: string) => Transport) {
    this.#transportTo = transportTo;
  }

  /** Has another replica carry a command out. Throws what it is refused with. */
  async execute(address: string, request: ExecuteRequest, signal: AbortSignal): Promise<void> {
    try {
      await this.#client(address).execute(request, { signal });
    } catch (error) {
      throw refusalOf(error);
    }
  }

  /** Passes a heartbeat on; a replica that does not answer knows nothing. */
  async hearWorker(address: string, request: HearWorkerRequest): Promise<Standing> {
    try {
      return await this.#client(address).hearWorker(request, { timeoutMs: hearTimeoutMs });
    } catch (error) {
      if (error instanceof ConnectError) return { controls: [], renewed: [] };
      throw error;
    }
  }

  /** The changes of a run that another replica owns. Throws what the stream ends with. */
  async *watchRun(
    address: string,
    request: { readonly runId: string; readonly afterSeq: number },
    signal: AbortSignal,
  ): AsyncGenerator<WatchRunResponse> {
    try {
      for await (const { news } of this.#client(address).watchOwnedRun(request, { signal })) {
        if (news !== undefined) yield news;
      }
    } catch (error) {
      throw refusalOf(error);
    }
  }

  #client(address: string): Client<typeof OwnerService> {
    const client = this.#clients.get(address) ?? createClient(OwnerService, this.#transportTo(address));
    this.#clients.set(address, client);
    return client;
  }
}

/** What a caller is told: a refusal as it is; a replica that is not there, or not the owner, is an owner that is away. */
function refusalOf(thrown: unknown): unknown {
  if (!(thrown instanceof ConnectError)) return thrown;
  if (thrown.code === Code.Canceled || thrown.code === Code.DeadlineExceeded) return thrown;
  const { reason } = fromConnectError(thrown);
  const isAway = reason === undefined || reason === "SERVICE_UNAVAILABLE" || reason === "OWNER_UNAVAILABLE";
  if (!isAway) return thrown;
  return new DomainError("OWNER_UNAVAILABLE", "the owner of the run does not answer", {}, { cause: thrown });
}
