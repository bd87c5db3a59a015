/** Asks a service by grpc.health.v1 whether it can do its work, as containers' health checks do: node scripts/health.ts http://127.0.0.1:7001 */
import { createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../gen/health/v1/health_pb.ts";
import { networkTransport } from "../lib/rpc/client.ts";

const [url] = process.argv.slice(2);
if (url === undefined) {
  process.stderr.write("usage: node scripts/health.ts URL\n");
  process.exit(2);
}

using transport = networkTransport({ url });
try {
  const { status } = await createClient(Health, transport).check({}, { timeoutMs: 4_000 });
  const serves = status === Status.SERVING;
  process.stdout.write(serves ? "serving\n" : "not serving\n");
  process.exitCode = serves ? 0 : 1;
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
