import type { WorkflowStore } from "../../../services/scheduler/workflow-store.ts";
import type { SimulatedDatabase } from "./simulated-database.ts";

export * from "../../../services/scheduler/workflow-store.ts";

/** The model of services/scheduler/workflow-store.ts. */
export function workflowStore(db: SimulatedDatabase): WorkflowStore {
  return {
    async create(workflow, { requestId, digest }) {
      return await db.carryOut({
        name: "create workflow",
        begin: () => undefined,
        commit: ({ requests, workflows }) => {
          const key = `${workflow.clientId} ${requestId}`;
          if ((requests.get(key) ?? digest) !== digest) return "reused";
          requests.set(key, digest);
          const stored = workflows.get(workflow.workflowId) ?? {
            ...workflow,
            createdAt: new Date(),
            appliedAt: new Date(),
          };
          workflows.set(workflow.workflowId, stored);
          return stored;
        },
      });
    },

    async keep(workflow) {
      await db.carryOut({
        name: "keep workflow",
        begin: () => undefined,
        commit: ({ workflows }) => {
          const { workflowId } = workflow;
          if (!workflows.has(workflowId))
            workflows.set(workflowId, { ...workflow, createdAt: new Date(), appliedAt: undefined });
        },
      });
    },

    async find(clientId, wanted) {
      return await db.carryOut({
        name: "find workflow",
        begin: ({ workflows }) => {
          const found = [...workflows.values()].findLast((workflow) => {
            const isWanted =
              "workflowId" in wanted
                ? workflow.workflowId === wanted.workflowId
                : workflow.definition.name === wanted.name;
            return isWanted && (clientId === undefined || workflow.clientId === clientId);
          });
          return found && { ...found, name: found.definition.name };
        },
      });
    },

    page: async () => await db.query(),
    remove: async () => await db.query(),

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
