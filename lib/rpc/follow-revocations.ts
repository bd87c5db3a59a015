/*
 * Keeps what this process knows of revocations up with auth.
 *
 *   F1. The stream of auth begins with all that it knows, so whatever was missed
 *       while auth was away, or before this process began, is made good by the
 *       next connection.
 *   F2. While auth is away nothing is forgotten: what was taken back stays so.
 *   F3. Aborting ends it; disposing waits for its end.
 */
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { RevocationService } from "../../gen/antiphon/internal/v1/revocation_service_pb.ts";
import { Backoff } from "../async/backoff.ts";
import type { Logger } from "../log/log.ts";
import { revocationsIn } from "./revocation-message.ts";
import type { Revocations } from "./revocations.ts";

export interface RevocationSource {
  /** To auth, with an internal token. */
  readonly auth: Transport;
  readonly revocations: Revocations;
  readonly log: Logger;
}

/** Follows auth until it is disposed of. */
export function followRevocations(source: RevocationSource): AsyncDisposable {
  const ending = new AbortController();
  const following = follow(source, ending.signal);
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await following;
    },
  };
}

async function follow({ auth, revocations, log }: RevocationSource, signal: AbortSignal): Promise<void> {
  const client = createClient(RevocationService, auth);
  const backoff = new Backoff({ firstMs: 100, maxMs: 2_000 });
  while (!signal.aborted) {
    try {
      for await (const { revocations: told, complete } of client.watchRevocations({}, { signal })) {
        revocations.add(told.flatMap(revocationsIn));
        if (complete) revocations.markComplete();
        backoff.reset();
      }
    } catch (error) {
      if (signal.aborted) return;
      // An auth of the version before takes nothing back.
      if (ConnectError.from(error).code === Code.Unimplemented) revocations.markComplete();
      // An internal token is short, so the stream ends every few minutes.
      if (backoff.failures > 0) log.warn({ err: error }, "revocations not followed");
    }
    await backoff.wait(signal);
  }
}
