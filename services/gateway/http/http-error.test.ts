import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createClient } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { SchedulerService } from "../../../gen/antiphon/scheduler/v1/scheduler_service_pb.ts";
import { networkTransport } from "../../../lib/rpc/client.ts";
import { refusalOf } from "./http-error.ts";

test.each([
  ["ends the connection", (socket: Socket) => socket.destroy()],
  ["resets the connection", (socket: Socket) => socket.resetAndDestroy()],
])("a service that %s in the middle of a call is unavailable", async (_how, end) => {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => end(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  using transport = networkTransport({ url: `http://127.0.0.1:${port}` });
  const scheduler = createClient(SchedulerService, transport);
  const thrown = await scheduler.getTask({ taskId: "t1" }).catch((error: unknown) => error);
  server.close();
  const refusal = refusalOf(thrown, "waldiez");
  expect(refusal).toMatchObject({ status: 503, reason: "SERVICE_UNAVAILABLE" });
  expect(refusal.headers).toMatchObject({ "retry-after": "1" });
});
