import { createClient, type Transport } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/health/v1/health_pb.ts";
import type { ServiceBehind } from "./routes/health.ts";

/** A service in another process, whose health is asked for by `grpc.health.v1`. */
export function serviceBehind(name: string, transport: Transport): ServiceBehind {
  const health = createClient(Health, transport);
  return {
    name,
    check: async () => {
      const { status } = await health.check({}).catch((cause: unknown) => {
        throw new Error("does not answer", { cause });
      });
      if (status !== Status.SERVING) throw new Error("can not do its work");
    },
  };
}
