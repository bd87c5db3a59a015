import type { z } from "zod";
import { allInOneVariables } from "../services/all-in-one/config.ts";
import { authVariables } from "../services/auth/config.ts";
import { gatewayVariables } from "../services/gateway/config.ts";
import { schedulerVariables } from "../services/scheduler/config.ts";
import { taskioVariables } from "../services/taskio/config.ts";
import { workerVariables } from "../services/worker/config.ts";

/** What a variable is, as its schema says. */
interface Variable {
  readonly name: string;
  /** As it would be written; undefined when there is none. */
  readonly defaultText: string | undefined;
  readonly isRequired: boolean;
  readonly meaning: string;
}

const services: Readonly<Record<string, { readonly about: string; readonly variables: z.ZodRawShape }>> = {
  "npm start": {
    about: "Read besides what the services in it read, but for where they listen and find each other.",
    variables: allInOneVariables,
  },
  gateway: { about: "The one port that callers see.", variables: gatewayVariables },
  auth: { about: "Clients, tokens and keys.", variables: authVariables },
  scheduler: { about: "Runs, workflows and schedules.", variables: schedulerVariables },
  taskio: { about: "Transcripts and questions.", variables: taskioVariables },
  worker: { about: "Carries tasks out.", variables: workerVariables },
};

const head = `# Configuration

Everything is set by environment variables; \`npm start\` and \`npx antiphon serve all\` also read a file \`.env\` where they are
started. An option of the command line goes before the environment. An empty variable counts as unset. A secret may come from
a file instead: \`NAME_FILE\` names it. All faults are told at once, and no values. \`LOG_LEVEL\` (error, warn, info or debug) is
read everywhere; it is \`info\`, and \`warn\` by \`npm start\`. The files \`deploy/*.env.example\` are to copy from.

This page is made by \`node scripts/document-configuration.ts\` of the schemas that read the variables.
`;

const seedNames = `## Names of older programs

Variables of seed 003 and seed 004 are read by their own names: \`REDIS_HOST\`, \`REDIS_PORT\`, \`REDIS_DB\`, \`ENVIRONMENT\`,
\`WORKER_STREAM\`, \`WORKER_GROUP\`, \`WORKER_NAME\`, \`API_STR\`, \`API_HOST\`, \`API_PORT\`, \`API_ENABLE_DOCS\`,
\`BACKEND_CORS_ORIGINS\`; \`DEBUG=true\` is \`LOG_LEVEL=debug\`.

The names of the Waldiez runner, \`WALDIEZ_RUNNER_…\`, are translated where ours are unset:

| theirs | ours |
|---|---|
| \`HOST\`, \`PORT\` | \`API_HOST\`, \`API_PORT\`; \`localhost\` is this machine alone, there it was every address |
| \`SECRET_KEY\` | \`ANTIPHON_SECRET_KEY\` |
| \`LOCAL_CLIENT_ID\`, \`LOCAL_CLIENT_SECRET\` | \`ANTIPHON_LOCAL_CLIENT_ID\`, \`ANTIPHON_LOCAL_CLIENT_SECRET\` |
| \`TRUSTED_HOSTS\`, \`TRUSTED_ORIGIN_REGEX\`, \`FORCE_SSL\` | the same without the prefix |
| \`TRUSTED_ORIGINS\` | \`BACKEND_CORS_ORIGINS\` |
| \`MAX_JOBS\`, \`INPUT_TIMEOUT\`, \`MAX_TASK_DURATION\` | the same without the prefix |
| \`TASK_PERMISSION_VERIFY_URL\`, \`TASK_PERMISSION_SECRET\` | the same without the prefix |
| \`DB_URL\`, or \`DB_HOST\`, \`DB_PORT\`, \`DB_USER\`, \`DB_PASSWORD\`, \`DB_NAME\` (also \`POSTGRES_…\`) | \`DATABASE_URL\`, unless \`POSTGRES\` is off or it names SQLite |
| \`REDIS_URL\`, or \`REDIS_HOST\`, \`REDIS_PORT\`, \`REDIS_DB\`, \`REDIS_SCHEME\`, \`REDIS_PASSWORD\` | \`REDIS_URL\`, unless \`REDIS\` is off |
| \`KEEP_TASK_FOR_DAYS\`, \`KEEP_TASKS_FOR_DAYS\` | \`RUN_RETENTION_MS\`; 0 leaves it as it is |
| \`LOG_LEVEL\` | \`LOG_LEVEL\`, with Python's words and numbers |
| \`USE_OIDC_AUTH\`, \`OIDC_…\`, \`ENABLE_EXTERNAL_AUTH\`, \`EXTERNAL_AUTH_…\` | read as they are, see [auth](#auth) |

The others have no meaning here, which is told at the start: \`DOMAIN_NAME\`, \`DEV\`, \`TESTING\`, \`SMOKE_TESTING\`, \`NO_REDIS\`,
\`USE_LOCAL_AUTH\`, \`SKIP_DEPS\`, \`EXTRA_PACKAGES\`, \`STORAGE_BACKEND\`.
`;

/** The page about all variables, as Markdown. Throws when one says nothing of what it means. */
export function configurationPage(): string {
  const chapters = Object.entries(services).map(([name, { about, variables }]) =>
    [`## ${name}`, "", about, "", ...table(Object.entries(variables).map(variableOf)), ""].join("\n"),
  );
  return [head, ...chapters, seedNames].join("\n");
}

function table(variables: readonly Variable[]): string[] {
  const rows = variables.map(
    ({ name, defaultText, isRequired, meaning }) =>
      `| \`${name}\` | ${isRequired ? "required" : shown(defaultText)} | ${meaning.replaceAll("|", "\\|")} |`,
  );
  return ["| variable | default | meaning |", "|---|---|---|", ...rows];
}

function shown(text: string | undefined): string {
  return text === undefined || text === "" ? "" : `\`${text}\``;
}

function variableOf([name, schema]: [string, unknown]): Variable {
  const read = schema as z.ZodType;
  const { description, shownDefault } = metaOf(read);
  if (description === undefined) throw new Error(`${name} says nothing of what it means`);
  return {
    name,
    meaning: description,
    defaultText: shownDefault ?? defaultOf(read),
    isRequired: !read.safeParse(undefined).success,
  };
}

interface Meta {
  readonly description?: string;
  /** What to show where the default differs from machine to machine. */
  readonly shownDefault?: string;
}

function metaOf(schema: z.ZodType): Meta {
  return (schema.meta() ?? {}) as Meta;
}

/** The default that stands in a schema, however it is wrapped. */
function defaultOf(schema: z.ZodType): string | undefined {
  const {
    defaultValue,
    innerType,
    in: input,
  } = schema.def as {
    readonly defaultValue?: unknown;
    readonly innerType?: z.ZodType;
    readonly in?: z.ZodType;
  };
  if (Array.isArray(defaultValue)) return defaultValue.join(",");
  if (defaultValue !== undefined)
    return typeof defaultValue === "string" ? defaultValue : JSON.stringify(defaultValue);
  const inner = innerType ?? input;
  return inner && defaultOf(inner);
}
