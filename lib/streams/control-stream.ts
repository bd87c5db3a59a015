/*
 * antiphon:worker:<worker id>   STREAM, no group
 *
 * Orders for one worker: grants, confirmed reports, answers, cancels, lost
 * leases. Written by the owners of runs after their commits; read by that worker
 * alone, from the end of the stream at its start, and deleted by it as it is
 * applied. Losing one is harmless: the answer to the next heartbeat repeats it.
 * A repeat is harmless: every order names its attempt and changes nothing twice.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type ControlBatch, ControlBatchSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";

export const controlStreamOf = (workerId: string): string => `antiphon:worker:${workerId}`;

export const encodeControls = (batch: ControlBatch): Uint8Array => toBinary(ControlBatchSchema, batch);

/** Throws when the bytes are not a batch of orders. */
export const decodeControls = (body: Uint8Array): ControlBatch => fromBinary(ControlBatchSchema, body);
