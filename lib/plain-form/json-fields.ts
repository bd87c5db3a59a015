/** The contract's fields whose bytes are UTF-8 JSON, by their full names. For people they are that JSON. */
export const jsonFields: ReadonlySet<string> = new Set([
  "antiphon.scheduler.v1.Task.output",
  "antiphon.scheduler.v1.Run.input",
  "antiphon.scheduler.v1.RunEvent.details",
  "antiphon.scheduler.v1.Node.config",
  "antiphon.scheduler.v1.ForEach.items",
  "antiphon.scheduler.v1.Workflow.input_schema",
  "antiphon.scheduler.v1.InlineWorkflow.input_schema",
  "antiphon.scheduler.v1.CreateWorkflowRequest.input_schema",
  "antiphon.scheduler.v1.GetRunResultsResponse.results",
  "antiphon.scheduler.v1.Schedule.WorkflowTarget.input",
  "antiphon.scheduler.v1.Schedule.TaskTarget.input",
  "antiphon.taskio.v1.Message.json",
]);
