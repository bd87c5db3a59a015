import type { ExecuteRequest } from "../../gen/antiphon/internal/v1/owner_service_pb.ts";
import { Backoff } from "../../lib/async/backoff.ts";
import { DomainError } from "../../lib/errors/domain-error.ts";
import { partitionOf } from "../../lib/ids/partition.ts";
import type { Commands } from "./commands.ts";
import { ownerAway } from "./owner.ts";
import type { OwnerDirectory } from "./owner-directory.ts";
import type { Claim } from "./partition-store.ts";
import type { Peers } from "./peers.ts";

/** How long a command is tried while its partition changes hands. */
const patienceMs = 15_000;

export interface CommandRouterOptions {
  readonly claims: ReadonlyMap<number, Claim>;
  readonly commands: Pick<Commands, "execute">;
  readonly directory: OwnerDirectory;
  readonly peers: Peers;
}

/** Brings commands to the owner of their run, wherever it is. A command may be carried out twice; its request id makes that harmless. */
export class CommandRouter {
  readonly #options: CommandRouterOptions;

  constructor(options: CommandRouterOptions) {
    this.#options = options;
  }

  /** Answers after the commit. Throws what the command is refused with, or `OWNER_UNAVAILABLE`. */
  async execute(request: ExecuteRequest, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + patienceMs;
    const backoff = new Backoff({ firstMs: 10, maxMs: 500 });
    for (;;) {
      try {
        return await this.#once(request, signal);
      } catch (error) {
        const isAway = error instanceof DomainError && error.reason === "OWNER_UNAVAILABLE";
        if (!isAway || signal.aborted || performance.now() > deadline) throw error;
        await backoff.wait(signal);
        // What was fresh may have been committed by the try that failed.
        request.isFresh = false;
      }
    }
  }

  async #once(request: ExecuteRequest, signal: AbortSignal): Promise<void> {
    const { claims, commands, directory, peers } = this.#options;
    const partition = partitionOf(request.runId);
    if (claims.has(partition)) return await commands.execute(request);
    const address = directory.ownerOf(partition)?.address;
    if (address === undefined || address === "") throw ownerAway(partition);
    await peers.execute(address, request, signal);
  }
}
