import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { ErrorReason, ErrorReasonSchema } from "../../gen/antiphon/common/v1/error_reason_pb.ts";
import { ErrorInfoSchema, RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { BrokerUnavailable } from "../broker/broker.ts";
import { DomainError } from "../errors/domain-error.ts";
import { DatabaseError } from "../postgres/errors.ts";
import { fromConnectError } from "./from-connect-error.ts";
import { codeOf, errorDomain, toConnectError } from "./to-connect-error.ts";

describe("toConnectError", () => {
  test("knows a code for every reason of the contract", () => {
    const inContract = ErrorReasonSchema.values.filter(({ number }) => number !== ErrorReason.UNSPECIFIED);
    expect(Object.keys(codeOf).sort()).toEqual(inContract.map(({ localName }) => localName).sort());
  });

  test("gives a refusal its code, reason, metadata and faults, and the way back reads them", () => {
    const faults = [{ path: "dag.nodes[0].id", reason: "DUPLICATE_NODE", message: "is used twice" } as const];
    const error = toConnectError(DomainError.ofFaults(faults, { node: "A" }));
    expect(fromConnectError(error)).toEqual({
      reason: "DUPLICATE_NODE",
      message: "dag.nodes[0].id: is used twice",
      code: Code.InvalidArgument,
      metadata: { node: "A" },
      faults,
    });
  });

  test.each([
    ["BROKER_UNAVAILABLE", new BrokerUnavailable("connect ECONNREFUSED 10.0.0.1:6379")],
    ["DATABASE_UNAVAILABLE", new DatabaseError("10.0.0.1 is down", { code: "57P01", phase: "statement" })],
    ["SERVICE_UNAVAILABLE", new ConnectError("connect ECONNREFUSED 10.0.0.1:7003", Code.Unavailable)],
    ["SERVICE_UNAVAILABLE", new ConnectError("read ECONNRESET", Code.Aborted)],
  ])("says %s when the outage is one, when to try again, and no address", (reason, thrown) => {
    const error = toConnectError(thrown);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unavailable, reason });
    expect(error.findDetails(RetryInfoSchema)).toHaveLength(1);
    expect(error.message).not.toContain("10.0.0.1");
    expect(error.cause).toBe(thrown);
  });

  test.each([
    new TypeError("secret"),
    new DatabaseError("secret", { code: "23505", phase: "statement" }),
    new ConnectError("secret", Code.Internal),
    "secret",
  ])("hides what a defect says and keeps it as the cause (%s)", (thrown) => {
    const error = toConnectError(thrown);
    expect(error).toMatchObject({
      code: Code.Internal,
      rawMessage: "internal error",
      details: [],
      cause: thrown,
    });
  });

  test.each([
    [Code.Canceled, new DOMException("gone", "AbortError")],
    [Code.DeadlineExceeded, new DOMException("late", "TimeoutError")],
    [Code.DeadlineExceeded, new ConnectError("late", Code.DeadlineExceeded)],
  ])("leaves a call that was ended what it is (%s)", (code, thrown) => {
    expect(toConnectError(thrown)).toMatchObject({ code, details: [] });
  });

  test("passes on what another service said", () => {
    const theirs = toConnectError(
      new DomainError("TASK_NOT_FOUND", "there is no task t1", { task_id: "t1" }),
    );
    expect(toConnectError(theirs)).toBe(theirs);
  });

  test("challenges a caller whose token is refused", () => {
    const error = toConnectError(new DomainError("TOKEN_EXPIRED", "the token has expired"));
    expect(error.metadata.get("www-authenticate")).toMatch(/^Bearer error="invalid_token"/);
  });
});

describe("fromConnectError", () => {
  test("takes a reason that this program does not know for none", () => {
    const value = { reason: "TEAPOT", domain: errorDomain };
    const error = new ConnectError("x", Code.NotFound, {}, [{ desc: ErrorInfoSchema, value }]);
    expect(fromConnectError(error).reason).toBeUndefined();
  });

  test("reads anything that was thrown", () => {
    expect(fromConnectError(new Error("no network"))).toMatchObject({
      message: "no network",
      reason: undefined,
      faults: [],
    });
  });
});
