import { expect, test } from "vitest";
import { programEnd } from "./program-end.ts";

const end = (code: number | null, how: Partial<Parameters<typeof programEnd>[1]> = {}) =>
  programEnd({ code, signal: null }, { stoppedFor: undefined, outOfMemory: false, ...how });

test("an exit code is an exit, one over 128 a signal", () => {
  expect(end(0)).toEqual({ kind: "exited", code: 0 });
  expect(end(44)).toEqual({ kind: "exited", code: 44 });
  expect(end(139)).toEqual({ kind: "signalled", signal: "SIGSEGV" });
  expect(end(255)).toEqual({ kind: "exited", code: 255 });
});

test("a signal of the kernel's own for a limit names the limit", () => {
  expect(end(128 + 24)).toEqual({ kind: "limit", which: "cpu_time" });
  expect(end(128 + 25)).toEqual({ kind: "limit", which: "file_size" });
});

test("memory is named when the program failed for it, and not when it succeeded all the same", () => {
  expect(end(137, { outOfMemory: true })).toEqual({ kind: "limit", which: "memory" });
  expect(end(0, { outOfMemory: true })).toEqual({ kind: "exited", code: 0 });
});

test("the limit for which the worker stopped it comes first", () => {
  expect(end(0, { stoppedFor: "wall_time", outOfMemory: true })).toEqual({
    kind: "limit",
    which: "wall_time",
  });
});
