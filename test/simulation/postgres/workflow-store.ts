import type { WorkflowStore } from "../../../services/scheduler/workflow-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";

/** The model of services/scheduler/workflow-store.ts. */
export function workflowStore(db: SimulatedDatabase): Pick<WorkflowStore, "create" | "read"> {
  return {
    async create(workflow, { requestId, digest }) {
      return await db.carryOut({
        name: "create workflow",
        begin: () => undefined,
        commit: ({ requests, workflows }) => {
          const key = `${workflow.clientId} ${requestId}`;
          if ((requests.get(key) ?? digest) !== digest) return "reused";
          requests.set(key, digest);
          const stored = workflows.get(workflow.workflowId) ?? { ...workflow, createdAt: new Date() };
          workflows.set(workflow.workflowId, stored);
          return stored;
        },
      });
    },

    async read(workflowIds) {
      return await db.carryOut({
        name: "workflows",
        begin: ({ workflows }) =>
          new Map(
            workflowIds.flatMap((workflowId) => {
              const stored = workflows.get(workflowId);
              return stored === undefined ? [] : [[workflowId, stored]];
            }),
          ),
      });
    },
  };
}
