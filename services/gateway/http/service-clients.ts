import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import type { TokenSource } from "../../../lib/rpc/internal-token.ts";

/** The services behind. */
export interface ServiceClients {
  readonly auth: Client<typeof AuthService>;
  readonly scheduler: Client<typeof SchedulerService>;
  readonly taskio: Client<typeof TaskIOService>;
}

/** How the services behind are reached; none of the transports bears a token. */
export interface ServiceTransports {
  readonly auth: Transport;
  readonly scheduler: Transport;
  readonly taskio: Transport;
}

/**
 * The services behind, each called with these headers: the caller's token and the
 * name of its request. With a `token` each call asks for the one that it bears.
 */
export function serviceClients(
  { auth, scheduler, taskio }: ServiceTransports,
  headers: Headers,
  token?: TokenSource,
): ServiceClients {
  return {
    auth: createClient(AuthService, bearing(auth, headers, token)),
    scheduler: createClient(SchedulerService, bearing(scheduler, headers, token)),
    taskio: createClient(TaskIOService, bearing(taskio, headers, token)),
  };
}

/** A transport whose calls have some headers besides their own. */
function bearing(transport: Transport, headers: Headers, token: TokenSource | undefined): Transport {
  const added = async (own: ConstructorParameters<typeof Headers>[0]): Promise<Headers> => {
    const all = new Headers(own);
    for (const [name, value] of headers) all.set(name, value);
    if (token !== undefined) all.set("authorization", `Bearer ${await token()}`);
    return all;
  };
  return {
    unary: async (method, signal, timeoutMs, header, input, contextValues) =>
      await transport.unary(method, signal, timeoutMs, await added(header), input, contextValues),
    stream: async (method, signal, timeoutMs, header, input, contextValues) =>
      await transport.stream(method, signal, timeoutMs, await added(header), input, contextValues),
  };
}
