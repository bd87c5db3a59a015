import type { Claim, Ownership, PartitionStore } from "../../../services/scheduler/partition-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";
import type { Tables } from "./tables.ts";

const forgetAfterMs = 3_600_000;

export * from "../../../services/scheduler/partition-store.ts";

/** The model of services/scheduler/partition-store.ts. */
export function partitionStore(db: SimulatedDatabase): PartitionStore {
  const isAlive = (tables: Tables, incarnation: string | undefined): boolean =>
    incarnation !== undefined && (tables.replicas.get(incarnation)?.leaseExpiresAtMs ?? 0) > db.nowMs;
  const sorted = (partitions: readonly number[]) => partitions.toSorted((a, b) => a - b);
  return {
    async renew({ incarnation, address, leaseMs }) {
      return await db.carryOut({
        name: "renew",
        begin: () => undefined,
        commit: (tables) => {
          tables.replicas.set(incarnation, { address, leaseExpiresAtMs: db.nowMs + leaseMs });
          return new Date();
        },
      });
    },

    async resign(incarnation) {
      await db.carryOut({
        name: "resign",
        begin: () => undefined,
        commit: (tables) => tables.replicas.delete(incarnation),
      });
    },

    async forgetReplicas() {
      await db.carryOut({
        name: "forget replicas",
        begin: () => undefined,
        commit: (tables) => {
          for (const [incarnation, { leaseExpiresAtMs }] of tables.replicas) {
            if (leaseExpiresAtMs < db.nowMs - forgetAfterMs) tables.replicas.delete(incarnation);
          }
        },
      });
    },

    async replicaCount() {
      return await db.carryOut({
        name: "count replicas",
        begin: (tables) =>
          [...tables.replicas.keys()].filter((incarnation) => isAlive(tables, incarnation)).length,
      });
    },

    async ownerships() {
      return await db.carryOut({
        name: "ownerships",
        begin: (tables) =>
          [...tables.partitions].map(([partition, { owner }]): Ownership => {
            const incarnation = isAlive(tables, owner) ? owner : undefined;
            const address = tables.replicas.get(incarnation ?? "")?.address;
            return { partition, incarnation, address };
          }),
      });
    },

    async take({ incarnation, partitions }) {
      return await db.carryOut({
        name: `take ${partitions.join(" ")}`,
        locks: { mode: "exclusive", partitions: sorted(partitions) },
        // The subquery on replicas sees what the statement began with; the
        // locked row itself is looked at again.
        begin: (tables) => new Set([...tables.replicas.keys()].filter((each) => isAlive(tables, each))),
        commit: (tables, alive) => {
          const claims: Claim[] = [];
          for (const partition of sorted(partitions)) {
            const row = tables.partitions.get(partition);
            if (row === undefined) continue;
            if (row.owner !== incarnation && row.owner !== undefined && alive.has(row.owner)) continue;
            row.epoch += 1;
            row.owner = incarnation;
            claims.push({ partition, epoch: row.epoch });
          }
          return claims;
        },
      });
    },

    async release({ incarnation, partitions }) {
      await db.carryOut({
        name: `release ${partitions.join(" ")}`,
        locks: { mode: "exclusive", partitions: sorted(partitions) },
        begin: () => undefined,
        commit: (tables) => {
          for (const partition of partitions) {
            const row = tables.partitions.get(partition);
            if (row?.owner !== incarnation) continue;
            row.epoch += 1;
            row.owner = undefined;
          }
        },
      });
    },
  };
}
