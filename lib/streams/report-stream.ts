/*
 * antiphon:reports:<partition>   STREAM, no group
 *
 * What workers report to the owner of a partition. Written by workers; read by
 * the owner alone; deleted by it after an epoch-checked commit made after the
 * read. A repeat is harmless: reports of an attempt are numbered, and the core
 * knows the last one that it applied.
 */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type Report, ReportSchema } from "../../gen/antiphon/worker/v1/assignment_pb.ts";

export const reportStreamOf = (partition: number): string => `antiphon:reports:${partition}`;

export const encodeReport = (report: Report): Uint8Array => toBinary(ReportSchema, report);

/** Throws when the bytes are not a report. */
export const decodeReport = (body: Uint8Array): Report => fromBinary(ReportSchema, body);
