import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { describe, expect, test, vi } from "vitest";
import { AuthService } from "../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { clientCredentials } from "./client-credentials.ts";

/** A source of tokens, and an auth that issues `t1`, `t2`, … which are good for `lifetimeMs`, unless it is away. */
function source(lifetimeMs: number) {
  const auth = { issued: 0, isAway: false };
  const transport = createRouterTransport((router) =>
    router.service(AuthService, {
      issueToken: async () => {
        if (auth.isAway) throw new ConnectError("away", Code.Internal);
        auth.issued += 1;
        return {
          accessToken: `t${auth.issued}`,
          expiresAt: timestampFromDate(new Date(Date.now() + lifetimeMs)),
        };
      },
    }),
  );
  return { auth, token: clientCredentials({ transport, clientId: "alice", clientSecret: "s" }) };
}

describe("clientCredentials", () => {
  test("asks once for all who want a token at once, and keeps it", async () => {
    const { auth, token } = source(3_600_000);
    expect(await Promise.all([token(), token()])).toEqual(["t1", "t1"]);
    expect(await token()).toBe("t1");
    expect(auth.issued).toBe(1);
  });

  test("gets another one when the first has expired", async () => {
    const { token } = source(-1);
    expect([await token(), await token()]).toEqual(["t1", "t2"]);
  });

  test("gets another one when the first was refused, but not when it is new", async () => {
    const { auth, token } = source(3_600_000);
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      expect(await token()).toBe("t1");
      token.onRefused?.("t1");
      expect(await token()).toBe("t1");
      vi.setSystemTime(Date.now() + 2_000);
      token.onRefused?.("another one");
      expect(await token()).toBe("t1");
      token.onRefused?.("t1");
      expect(await token()).toBe("t2");
      expect(auth.issued).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  test("fails while auth is away, and not for ever", async () => {
    const { auth, token } = source(3_600_000);
    auth.isAway = true;
    await expect(token()).rejects.toMatchObject({ code: Code.Internal });
    auth.isAway = false;
    expect(await token()).toBe("t1");
  });
});
