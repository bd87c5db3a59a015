/*
 * A scheduler in a process of its own, for tests that kill it. It reaches nobody,
 * has no workers, and never ends by itself. Says `conducting` when it owns its
 * share of the partitions.
 */
import { tmpdir } from "node:os";
import { MemoryBroker } from "../../../lib/broker/memory-broker.ts";
import { logger } from "../../../lib/log/log.ts";
import { Database } from "../../../lib/postgres/database.ts";
import { fileStorage } from "../../../lib/storage/file-storage.ts";
import { scheduler } from "../../../services/scheduler/scheduler.ts";

const [databaseUrl = "", incarnation = "", formerIncarnation] = process.argv.slice(2);

const nobody = () => {
  throw new Error("nobody is to be reached");
};

await scheduler({
  db: new Database(databaseUrl, { maxConnections: 4 }),
  broker: new MemoryBroker(),
  storage: fileStorage(tmpdir()),
  log: logger("test", "silent"),
  address: "",
  transportTo: nobody,
  taskio: nobody,
  incarnation,
  formerIncarnation,
  secretKey: "a secret of tests",
  settings: {
    leaseMs: 30_000,
    heartbeatMs: 3_000,
    replicaLeaseMs: 3_000,
    workStream: "workflow:tasks",
    retentionMs: 0,
  },
});
process.stdout.write("conducting\n");
