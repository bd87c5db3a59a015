/*
 * A task's id is derived from its run and its node, so that nobody has to store
 * which task belongs to which run: `<run id>.<node id>`, or the run's id itself
 * for the single node of a stand-alone task. The task of one item of a list has
 * the name `<node id>.<index>` in place of the node's id.
 */

/** The single node of a stand-alone task. */
export const mainNode = "main";

const runIdForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const nodeIdForm = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const taskNameForm = /^[A-Za-z_][A-Za-z0-9_-]{0,62}(?:\.(?:0|[1-9][0-9]{0,4}))?$/;

/** The id of a node's task in a run. */
export function taskIdOf(runId: string, nodeId: string): string {
  return nodeId === mainNode ? runId : `${runId}.${nodeId}`;
}

/** The run of a task's id and the task's name in it, or undefined when it is none. */
export function parseTaskId(taskId: string): { readonly runId: string; readonly nodeId: string } | undefined {
  const runId = taskId.slice(0, 36);
  if (!isRunId(runId)) return undefined;
  if (taskId.length === 36) return { runId, nodeId: mainNode };
  const nodeId = taskId.slice(37);
  if (taskId[36] !== "." || !taskNameForm.test(nodeId) || nodeId === mainNode) return undefined;
  return { runId, nodeId };
}

/** Whether a text has the form of a run's id: a UUID in lower case. */
export function isRunId(text: string): boolean {
  return runIdForm.test(text);
}

/** Whether a text has the form of a node's id. */
export function isNodeId(text: string): boolean {
  return nodeIdForm.test(text);
}
