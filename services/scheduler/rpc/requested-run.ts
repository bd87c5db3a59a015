import { randomUUID } from "node:crypto";
import { derivedUuid } from "../../../lib/ids/derived-uuid.ts";
import type { Owning } from "./access.ts";

/** The run that a request starts: derived from its client and request id, so that a repeat reaches the same owner and finds it. Without a request id one is drawn, and the run is new for certain. */
export function requestedRun(caller: Owning, requestId: string) {
  const drawn = requestId === "" ? randomUUID() : requestId;
  return {
    ...caller,
    runId: derivedUuid("run", caller.clientId, drawn),
    requestId: drawn,
    isFresh: requestId === "",
  };
}
