import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { WorkerService } from "../../gen/antiphon/worker/v1/worker_service_pb.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { allScopes, publicAccess, publicAccessOf, type Scope, type TokenAudience } from "./access.ts";
import { fromConnectError } from "./from-connect-error.ts";
import { localTransport } from "./local-transport.ts";

const audiences = ["tasks-api", "clients-api", "admin-api", "workers-api", "internal"] as const;

/** Who may call the procedures of each service, as its contract says it: a letter for each of `audiences`, in that order. */
const expected: readonly {
  readonly service: DescService;
  readonly usual: string;
  readonly others: Readonly<Record<string, string>>;
}[] = [
  {
    service: AuthService,
    usual: "-ca--",
    others: {
      IssueToken: "open",
      RefreshToken: "open",
      RevokeToken: "open",
      IntrospectToken: "open",
      ExchangeToken: "open",
      ListIssuers: "open",
      WhoAmI: "tcaw-",
      RotateSigningKey: "--a--",
      ListAuditEntries: "--a--",
    },
  },
  { service: SchedulerService, usual: "t-a--", others: { GetServerStatus: "tca--" } },
  { service: WorkerService, usual: "---w-", others: { ListWorkers: "t-aw-" } },
  { service: TaskIOService, usual: "t-a--", others: {} },
];

/** Procedures that only look, although the contract can not say so of a stream. */
const lookingStreams = ["DownloadResults", "WatchRun", "Attach", "Watch"];

/** The scope that a procedure needs, as far as it follows from what it does. */
function scopeOf({ name, parent, idempotency }: DescMethod): Scope | "none" {
  if (name === "WhoAmI") return "none";
  if (parent === WorkerService && name !== "ListWorkers") return "none";
  if (name === "SendInput") return "answer";
  const looks = idempotency === Idempotency.NO_SIDE_EFFECTS || lookingStreams.includes(name);
  return looks ? "read" : "write";
}

const methods = expected.flatMap(({ service, usual, others }) =>
  service.methods.map((method) => {
    const audiences = others[method.name] ?? usual;
    return { name: `${service.typeName}/${method.name}`, method, audiences };
  }),
);
const guarded = methods.filter(({ audiences }) => audiences !== "open");

test("the table names every public procedure and no other", () => {
  expect(Object.keys(publicAccess).toSorted()).toEqual(methods.map(({ name }) => name).toSorted());
});

// By GET the request stands in the URL, and so in the logs of every proxy; and the page of any origin may make it.
test("no procedure that takes credentials in its request may be called by GET", () => {
  const open = methods.filter(({ audiences }) => audiences === "open");
  const byGet = open.filter(({ method }) => method.idempotency === Idempotency.NO_SIDE_EFFECTS);
  const fields = byGet.flatMap(({ name, method }) => method.input.fields.map((field) => [name, field.name]));
  expect(fields).toEqual([]);
});

describe.each(methods)("$name", ({ method, audiences: letters }) => {
  test("takes a token of exactly the audiences that it is for", async () => {
    for (const [index, audience] of audiences.entries()) {
      const isFor = letters === "open" || letters[index] !== "-";
      const outcome = await outcomeOf(method, audience, allScopes);
      expect([audience, outcome]).toEqual([audience, isFor ? "admitted" : "WRONG_AUDIENCE"]);
    }
  });
});

describe.each(guarded)("$name", ({ method, audiences: letters }) => {
  test("needs exactly the scope that goes with what it does", async () => {
    const audience = audiences.find((_, index) => letters[index] !== "-") ?? "internal";
    const needed = scopeOf(method);
    expect(await outcomeOf(method, audience, [])).toBe(needed === "none" ? "admitted" : "MISSING_SCOPE");
    for (const scope of allScopes) {
      const isEnough = needed === "none" || needed === scope;
      const outcome = await outcomeOf(method, audience, [scope]);
      expect([scope, outcome]).toEqual([scope, isEnough ? "admitted" : "MISSING_SCOPE"]);
    }
  });
});

/** What becomes of a call: a service whose procedures are all admitted to and none implemented says so. */
async function outcomeOf(
  method: DescMethod,
  audience: TokenAudience,
  scopes: readonly Scope[],
): Promise<string> {
  const { parent } = method;
  const routed = {
    routes: (router: Parameters<Parameters<typeof localTransport>[0]["routes"]>[0]) =>
      router.service(parent, {}),
    access: publicAccessOf(parent),
    check: async () => undefined,
  };
  const transport = localTransport(routed, {
    log: pino({ level: "silent" }),
    verify: async () => aCaller({ audience, scopes: new Set(scopes) }),
    token: async () => "token",
  });
  try {
    await calling(createClient(parent, transport), method);
  } catch (error) {
    if (ConnectError.from(error).code === Code.Unimplemented) return "admitted";
    return fromConnectError(error).reason ?? String(error);
  }
  return "answered";
}

/** Calls a procedure of any kind with nothing. */
async function calling(client: object, { localName, methodKind }: DescMethod): Promise<unknown> {
  const call = (client as Readonly<Record<string, (request: unknown) => unknown>>)[localName];
  const takesMany = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const answer = call?.(takesMany ? (async function* () {})() : {});
  if (methodKind === "unary" || methodKind === "client_streaming") return await answer;
  for await (const message of answer as AsyncIterable<unknown>) return message;
  return undefined;
}
