import { Code, createClient } from "@connectrpc/connect";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { Health } from "../../gen/health/v1/health_pb.ts";
import { aCaller } from "../../test/support/a-caller.ts";
import { until } from "../../test/support/until.ts";
import { delay } from "../async/delay.ts";
import { DomainError } from "../errors/domain-error.ts";
import type { AccessRules } from "./access.ts";
import { callerOf } from "./authenticate.ts";
import { fromConnectError } from "./from-connect-error.ts";
import { localTransport } from "./local-transport.ts";
import { Revocations } from "./revocations.ts";
import type { RoutedService, RouteOptions } from "./routes.ts";

const log = pino({ level: "silent" });

function service(access: AccessRules): RoutedService {
  return {
    access,
    check: async () => undefined,
    routes: (router) => {
      router.service(AuthService, {
        issueToken: ({ clientId }) => {
          if (clientId === "") throw new TypeError("hunter2");
          return { accessToken: clientId };
        },
        whoAmI: (_request, context) => ({ client: { clientId: callerOf(context).clientId } }),
      });
      router.service(Health, {
        async *watch(_request, { signal }) {
          yield {};
          await delay(60_000, signal);
        },
      });
    },
  };
}

const open = {
  [AuthService.typeName]: { audiences: "any", scope: "none" },
  [`${AuthService.typeName}/IssueToken`]: "open",
  [Health.typeName]: { audiences: "any", scope: "none" },
} as const;

const asAlice = (lifetimeMs = 3_600_000): RouteOptions => ({
  log,
  verify: async (token) => {
    if (token !== "good") throw new DomainError("TOKEN_INVALID", "no");
    return aCaller({ expiresAt: new Date(Date.now() + lifetimeMs) });
  },
});

const good = async () => "good";

describe("localTransport", () => {
  test("authenticates like a port does", async () => {
    const withToken = createClient(AuthService, localTransport(service(open), { ...asAlice(), token: good }));
    await expect(withToken.whoAmI({})).resolves.toMatchObject({ client: { clientId: "alice" } });
    const without = createClient(AuthService, localTransport(service(open), asAlice()));
    const error = await without.whoAmI({}).catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unauthenticated, reason: "TOKEN_MISSING" });
  });

  test("lets a call bear the token of its own caller", async () => {
    const client = createClient(AuthService, localTransport(service(open), asAlice()));
    const headers = { authorization: "Bearer good" };
    await expect(client.whoAmI({}, { headers })).resolves.toMatchObject({ client: { clientId: "alice" } });
  });

  test("asks for no token where none is needed", async () => {
    const client = createClient(AuthService, localTransport(service(open), asAlice()));
    await expect(client.issueToken({ clientId: "x" })).resolves.toMatchObject({ accessToken: "x" });
  });

  test("refuses messages that are too large", async () => {
    const transport = localTransport(service(open), { ...asAlice(), maxMessageBytes: 100 });
    const error = await createClient(AuthService, transport)
      .issueToken({ clientId: "x".repeat(101) })
      .catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ reason: "TOO_LARGE", metadata: { limit: "100" } });
  });

  test("logs a defect once, with its cause, and does not show it", async () => {
    const lines: string[] = [];
    const transport = localTransport(service(open), {
      ...asAlice(),
      log: pino({}, { write: (line) => lines.push(line) }),
    });
    const error = await createClient(AuthService, transport)
      .issueToken({})
      .catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Internal, message: "internal error" });
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({
      msg: "call failed",
      rpc: "antiphon.auth.v1.AuthService/IssueToken",
      err: { message: "hunter2" },
    });
  });

  test("ends a stream when its token expires", async () => {
    const client = createClient(Health, localTransport(service(open), { ...asAlice(100), token: good }));
    const statuses = client.watch({})[Symbol.asyncIterator]();
    await statuses.next();
    const error = await statuses.next().catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unauthenticated, reason: "TOKEN_EXPIRED" });
  });

  test("ends a stream when its token is taken back, and no other", async () => {
    const revocations = new Revocations();
    const as = (tokenId: string) => {
      const options = { log, revocations, verify: async () => aCaller({ tokenId }), token: good };
      const client = createClient(Health, localTransport(service(open), options));
      return client.watch({})[Symbol.asyncIterator]();
    };
    const [mine, others] = [as("t1"), as("t2")];
    await Promise.all([mine.next(), others.next()]);
    revocations.add([{ kind: "token", subject: "t1", expiresAt: new Date(Date.now() + 60_000) }]);
    const error = await mine.next().catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ code: Code.Unauthenticated, reason: "TOKEN_REVOKED" });
    const still = await Promise.race([
      others.next(),
      new Promise((resolve) => setImmediate(resolve, "open")),
    ]);
    expect(still).toBe("open");
    await others.return?.();
  });

  test("ends streams with the reason of a shutdown, however their handlers take it", async () => {
    const shutdown = new AbortController();
    const transport = localTransport(service(open), {
      ...asAlice(),
      token: good,
      shutdownSignal: shutdown.signal,
    });
    const statuses = createClient(Health, transport).watch({})[Symbol.asyncIterator]();
    await statuses.next();
    shutdown.abort(new DomainError("SERVICE_UNAVAILABLE", "stopping"));
    const error = await statuses.next().catch((error: unknown) => error);
    expect(fromConnectError(error)).toMatchObject({ reason: "SERVICE_UNAVAILABLE", message: "stopping" });
  });

  test("ends the handler of a stream that its caller left without reading on", async () => {
    let ended = false;
    const endless: RoutedService = {
      ...service(open),
      routes: (router) => {
        router.service(Health, {
          async *watch() {
            try {
              for (;;) yield {};
            } finally {
              ended = true;
            }
          },
        });
      },
    };
    const left = new AbortController();
    const client = createClient(Health, localTransport(endless, { ...asAlice(), token: good }));
    await client.watch({}, { signal: left.signal })[Symbol.asyncIterator]().next();
    left.abort();
    await until("the handler ends", () => ended);
    expect(ended).toBe(true);
  });

  test("does not begin when a procedure has no rule", () => {
    const { [Health.typeName]: _, ...rules } = open;
    expect(() => localTransport(service(rules), asAlice())).toThrow(
      "no rule says who may call grpc.health.v1.Health/Check",
    );
  });

  test("does not begin when a procedure is routed twice", () => {
    const twice = service(open);
    const routes: RoutedService["routes"] = (router) => {
      twice.routes(router);
      twice.routes(router);
    };
    expect(() => localTransport({ ...twice, routes }, asAlice())).toThrow("is routed twice");
  });
});
