/** The fields that name what a call is about, as requests, answers and routes have them. */
const idFields = [
  "id",
  "task_id",
  "run_id",
  "workflow_id",
  "schedule_id",
  "client_id",
  "prompt_id",
  "upload_id",
  "worker_id",
  "key_id",
  "execution_id",
  "instance_id",
];

/** Their names in the contract, by those that messages and JSON have for them. */
const nameOfField = new Map(idFields.flatMap((name) => [[name, name] as const, [inCamelCase(name), name]]));

/** Longer ones are no ids, whatever their field is called. */
const maxIdLength = 200;

/**
 * The ids in what a call is about, messages or JSON values, and in the messages
 * directly below those; a later value's before an earlier one's. Nothing else of
 * their content.
 */
export function auditTarget(...values: readonly unknown[]): Record<string, string> {
  return Object.assign({}, ...values.map(idsIn));
}

function idsIn(value: unknown): Record<string, string> {
  const below = Object.values(recordOf(value)).filter((inner) => "$typeName" in recordOf(inner));
  return Object.assign({}, ...[...below, value].map(idsOf));
}

function idsOf(value: unknown): Record<string, string> {
  return Object.fromEntries(
    Object.entries(recordOf(value)).flatMap(([field, id]) => {
      const name = nameOfField.get(field);
      return name !== undefined && isId(id) ? [[name, id] as const] : [];
    }),
  );
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= maxIdLength;
}

function recordOf(value: unknown): object {
  return typeof value === "object" && value !== null ? value : {};
}

function inCamelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, first: string) => first.toUpperCase());
}
