import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { AuthService } from "../../../gen/antiphon/auth/v1/auth_service_pb.ts";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { TaskIOService } from "../../../gen/antiphon/taskio/v1/taskio_service_pb.ts";

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

/** The services behind, each called with these headers: the caller's token and the name of its request. */
export function serviceClients(
  { auth, scheduler, taskio }: ServiceTransports,
  headers: Headers,
): ServiceClients {
  return {
    auth: createClient(AuthService, bearing(auth, headers)),
    scheduler: createClient(SchedulerService, bearing(scheduler, headers)),
    taskio: createClient(TaskIOService, bearing(taskio, headers)),
  };
}

/** A transport whose calls have some headers besides their own. */
function bearing(transport: Transport, headers: Headers): Transport {
  const added = (own: ConstructorParameters<typeof Headers>[0]): Headers => {
    const all = new Headers(own);
    for (const [name, value] of headers) all.set(name, value);
    return all;
  };
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.unary(method, signal, timeoutMs, added(header), input, contextValues),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.stream(method, signal, timeoutMs, added(header), input, contextValues),
  };
}
