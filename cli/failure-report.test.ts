import { Code, ConnectError } from "@connectrpc/connect";
import { CommanderError } from "commander";
import { describe, expect, test } from "vitest";
import { DomainError } from "../lib/errors/domain-error.ts";
import { toConnectError } from "../lib/rpc/to-connect-error.ts";
import { exitCode } from "./exit-code.ts";
import { reportLines, reportOf } from "./failure-report.ts";

describe("reportOf", () => {
  test("names code, reason, every fault and what to do", () => {
    const faults = [
      { path: "dag.nodes[0].handler", reason: "UNKNOWN_HANDLER", message: "nobody offers it" },
      { path: "dag.nodes[1].id", reason: "DUPLICATE_NODE", message: "is there twice" },
    ] as const;
    const thrown = toConnectError(DomainError.ofFaults(faults));
    expect(reportLines(reportOf(thrown))).toEqual([
      "error: the request is refused (INVALID_ARGUMENT, UNKNOWN_HANDLER)",
      "  dag.nodes[0].handler: nobody offers it",
      "  dag.nodes[1].id: is there twice (DUPLICATE_NODE)",
      "hint: antiphon workers lists what is offered",
    ]);
  });

  test.each([
    [toConnectError(new DomainError("TASK_NOT_FOUND", "no")), exitCode.notFound],
    [toConnectError(new DomainError("TOKEN_EXPIRED", "no")), exitCode.unauthenticated],
    [toConnectError(new DomainError("WRONG_AUDIENCE", "no")), exitCode.unauthenticated],
    [toConnectError(new DomainError("OWNER_UNAVAILABLE", "no")), exitCode.unreachable],
    [new ConnectError("connect ECONNREFUSED", Code.Unavailable), exitCode.unreachable],
    [toConnectError(new DomainError("FIELD_INVALID", "no")), exitCode.failed],
    [new Error("anything"), exitCode.failed],
  ])("ends %s with %i", (thrown, code) => {
    expect(reportOf(thrown).exitCode).toBe(code);
  });

  test("names what is not there in one way", () => {
    const thrown = toConnectError(new DomainError("RUN_NOT_FOUND", "there is no such run", { run_id: "r1" }));
    expect(reportLines(reportOf(thrown))[0]).toBe("error: there is no run r1 (NOT_FOUND, RUN_NOT_FOUND)");
  });

  test("shows what a server said without control characters", () => {
    const thrown = toConnectError(new DomainError("TASK_NOT_FOUND", "\u001b[31mred"));
    expect(reportLines(reportOf(thrown))[0]).toBe("error: [31mred (NOT_FOUND, TASK_NOT_FOUND)");
  });

  test.each([
    [
      "error: unknown option '--evn=KEY=hunter2'\n(Did you mean --env?)",
      "unknown option '--evn'\n(Did you mean --env?)",
    ],
    ["error: unknown option '--evn'", "unknown option '--evn'"],
  ])("does not repeat the value of an option that there is not: %j", (message, told) => {
    expect(reportOf(new CommanderError(1, "commander.unknownOption", message)).message).toBe(told);
  });
});
