import type { WorkerRow, WorkerStore } from "../../../services/scheduler/worker-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";

export * from "../../../services/scheduler/worker-store.ts";

/** The model of services/scheduler/worker-store.ts. */
export function workerStore(db: SimulatedDatabase): WorkerStore {
  const isSeen = ({ last_seen_at }: WorkerRow, leaseMs: number): boolean =>
    last_seen_at.getTime() > Date.now() - leaseMs;
  return {
    async note(sign) {
      return await db.carryOut({
        name: `note ${sign.workerId}`,
        begin: () => undefined,
        commit: ({ workers }) => {
          const known = workers.get(sign.workerId);
          if (known !== undefined && known.client_id !== sign.clientId) return "foreign";
          const isSame = known?.incarnation === sign.incarnation;
          if (known !== undefined && !isSame && !sign.isRegistering) return "superseded";
          const now = new Date();
          workers.set(sign.workerId, {
            worker_id: sign.workerId,
            client_id: sign.clientId,
            incarnation: sign.incarnation,
            handlers: sign.handlers,
            queues: sign.queues,
            labels: Object.entries(sign.labels).map(([name, value]) => `${name}=${value}`),
            slots: sign.slots,
            held: sign.held,
            sandbox: sign.sandbox,
            registered_at: isSame ? known.registered_at : now,
            last_seen_at: now,
            is_alive: true,
          });
          return "noted";
        },
      });
    },

    async page({ afterId, limit, leaseMs }) {
      return await db.carryOut({
        name: "workers",
        begin: ({ workers }) =>
          [...workers.values()]
            .filter(({ worker_id }) => worker_id > afterId)
            .toSorted((a, b) => (a.worker_id < b.worker_id ? -1 : 1))
            .slice(0, limit)
            .map((row) => ({ ...row, is_alive: isSeen(row, leaseMs) })),
      });
    },

    async knownHandlers() {
      return await db.carryOut({
        name: "known handlers",
        begin: ({ workers }) => new Set([...workers.values()].flatMap(({ handlers }) => [...handlers])),
      });
    },

    async offers(leaseMs) {
      return await db.carryOut({
        name: "offers",
        begin: ({ workers }) =>
          [...workers.values()]
            .filter((row) => isSeen(row, leaseMs))
            .map(({ handlers, slots, held }) => ({ handlers, slots, held, queues: [""], labels: {} })),
      });
    },

    async aliveSlots(leaseMs) {
      return await db.carryOut({
        name: "alive workers",
        begin: ({ workers }) =>
          new Map(
            [...workers.values()]
              .filter((row) => isSeen(row, leaseMs))
              .map(({ worker_id, slots }) => [worker_id, slots]),
          ),
      });
    },
  };
}
