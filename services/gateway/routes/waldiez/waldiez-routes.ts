import type { HttpRoute } from "../../http/route.ts";
import { answerTask } from "./answer-task.ts";
import { cancelTask } from "./cancel-task.ts";
import { changeTask } from "./change-task.ts";
import { clients } from "./clients.ts";
import { createTask } from "./create-task.ts";
import { deleteClients } from "./delete-clients.ts";
import { deleteTasks } from "./delete-tasks.ts";
import { downloadTask } from "./download-task.ts";
import { getTask } from "./get-task.ts";
import { listTasks } from "./list-tasks.ts";
import { robots } from "./robots.ts";
import { serverStatus } from "./server-status.ts";
import { uploadFile } from "./upload-file.ts";
import type { WaldiezNeeds } from "./waldiez-needs.ts";

/** The routes of the Waldiez runner, but for those of tokens, health and WebSockets. */
export function waldiezRoutes(needs: WaldiezNeeds): readonly HttpRoute[] {
  return [
    createTask(needs),
    uploadFile(),
    ...listTasks(),
    getTask(),
    ...changeTask(),
    answerTask(),
    downloadTask(),
    cancelTask(),
    ...deleteTasks(),
    ...clients(),
    ...deleteClients(),
    serverStatus(),
    robots(),
  ];
}
