import { type Client, createClient } from "@connectrpc/connect";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { fromConnectError } from "../../../lib/rpc/from-connect-error.ts";
import { localTransport } from "../../../lib/rpc/local-transport.ts";
import { tokenVerifier } from "../../../lib/rpc/tokens.ts";
import { auth, type RunningAuth } from "../../../services/auth/auth.ts";
import type { Audience, ClientCredentials } from "../../../services/auth/client.ts";
import { readSettings } from "../../../services/auth/config.ts";
import { freshDatabase } from "../../support/fresh-database.ts";

const secretKey = "the secret of this installation";

const log = logger("test", process.env["TEST_LOG_LEVEL"] ?? "silent");

export type AuthClient = Client<typeof AuthService>;

/** One auth replica, as a process of its own would be, and what is asked of it. */
export interface Replica extends AsyncDisposable {
  readonly running: RunningAuth;
  /** Calls it with this token, or without one, as a caller at this address. */
  readonly as: (token?: string, address?: string) => AuthClient;
  /** Why it would refuse a token, undefined when it takes it. */
  readonly refusalOf: (token: string) => Promise<string | undefined>;
}

/** A Postgres with any number of auth replicas on it. */
export class AuthWorld implements AsyncDisposable {
  readonly db: Database;
  readonly databaseUrl: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(stack: AsyncDisposableStack, databaseUrl: string) {
    this.#stack = stack;
    this.databaseUrl = databaseUrl;
    this.db = stack.use(new Database(databaseUrl));
  }

  static async open(): Promise<AuthWorld> {
    const stack = new AsyncDisposableStack();
    return new AuthWorld(stack, stack.use(await freshDatabase()).url);
  }

  /** Starts a replica. It ends with the world, if not before. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<Replica> {
    const db = this.#stack.use(new Database(this.databaseUrl));
    const running = await auth({ db, secretKey, settings: readSettings(env), log });
    const { fetchKeys, revocations } = running;
    const verify = tokenVerifier({ fetchKeys, secretKey, revocations });
    const replica: Replica = {
      running,
      as: (token, address = "192.0.2.1") => {
        const transport = localTransport(running, {
          verify,
          revocations,
          log,
          ...(token !== undefined && { token: async () => token }),
        });
        const client = createClient(AuthService, transport) as unknown as Readonly<
          Record<string, (request: object, options: object) => unknown>
        >;
        const headers = { "x-antiphon-caller-address": address };
        const calls = Object.entries(client).map(([name, call]) => {
          return [name, (request: object) => call(request, { headers })] as const;
        });
        return Object.fromEntries(calls) as unknown as AuthClient;
      },
      refusalOf: async (token) => {
        try {
          await verify(token);
          return undefined;
        } catch (error) {
          return (error as { readonly reason?: string }).reason;
        }
      },
      [Symbol.asyncDispose]: async () => await running[Symbol.asyncDispose](),
    };
    let isOver = false;
    this.#stack.defer(async () => {
      if (!isOver) await running[Symbol.asyncDispose]();
    });
    return {
      ...replica,
      async [Symbol.asyncDispose]() {
        isOver = true;
        await running[Symbol.asyncDispose]();
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** Credentials of a new client, as requests for tokens have them. */
export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** The first client of an audience. */
export async function firstClient({ running }: Replica, audience: Audience): Promise<Credentials> {
  const all: readonly ClientCredentials[] = await running.bootstrapClients([]);
  const first = all.find((client) => client.audience === audience);
  if (first === undefined) throw new Error(`there is no first client for ${audience}`);
  return { clientId: first.client_id, clientSecret: first.client_secret };
}

/** Whoever manages clients at this replica. */
export async function managerAt(
  replica: Replica,
  audience: "clients-api" | "admin-api" = "clients-api",
): Promise<AuthClient> {
  const { accessToken } = await replica.as().issueToken(await firstClient(replica, audience));
  return replica.as(accessToken);
}

/** What a call was refused with, which it must be. */
export async function refused(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
  } catch (error) {
    return fromConnectError(error).reason ?? String(error);
  }
  return "nothing: it was answered";
}
