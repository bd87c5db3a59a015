import { type Access, answering } from "../../../../lib/rpc/access.ts";

/*
 * Who may call the Waldiez runner's routes: its clients for tasks, who see their
 * own, its clients for clients, and administrators, who see all.
 */

/** Looking at tasks of one's own. */
export const lookAtOwnTasks: Access = { audiences: ["tasks-api"], scope: "read" };

/** Making tasks. */
export const makeTasks: Access = { audiences: ["tasks-api"], scope: "write" };

/** Looking at a task. */
export const lookAtTasks: Access = { audiences: ["tasks-api", "admin-api"], scope: "read" };

/** Changing, ending and removing tasks. */
export const changeTasks: Access = { audiences: ["tasks-api", "admin-api"], scope: "write" };

/** Looking at the tasks of everybody. */
export const lookAtAllTasks: Access = { audiences: ["admin-api"], scope: "read" };

/** Answering a task's prompts. */
export const answerTasks: Access = answering;

/** Looking at clients. */
export const lookAtClients: Access = { audiences: ["clients-api", "admin-api"], scope: "read" };

/** Making, changing and removing clients. */
export const changeClients: Access = { audiences: ["clients-api", "admin-api"], scope: "write" };

/** Looking at how busy the installation is. */
export const lookAtServer: Access = { audiences: ["tasks-api", "clients-api", "admin-api"], scope: "read" };
