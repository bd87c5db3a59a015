/** The Waldiez that runs flows; it pins the ag2 that goes with it. */
const waldiez = "waldiez==0.7.1";
const ag2Version = "0.10.3";

/** Kinds of models for which ag2 needs an extra, with its name. Those of OpenAI's kind need none. */
const extraOfModel: Readonly<Record<string, string>> = {
  anthropic: "anthropic",
  bedrock: "bedrock",
  cohere: "cohere",
  google: "gemini",
  groq: "groq",
  mistral: "mistral",
  together: "together",
};

const extraOfTool: Readonly<Record<string, string>> = {
  crewai: "interop-crewai",
  langchain: "interop-langchain",
};

/**
 * What has to be installed to run a Waldiez flow (the parsed file): Waldiez
 * itself, what the flow and its agents, models and tools list, and the extras
 * of ag2 for its kinds of models and tools.
 *
 * A flow does not choose the version of Waldiez or ag2. The list is not yet
 * checked; parts of the flow that do not have the expected shape ask for
 * nothing, for the flow itself is validated elsewhere. With `skipListed` what the
 * flow and its parts list is left out.
 */
export function flowRequirements(flow: unknown, { skipListed = false } = {}): readonly string[] {
  const data = field(flow, "data");
  const agents = Object.values(Object(field(data, "agents"))).flatMap(items);
  const models = items(field(data, "models"));
  const tools = items(field(data, "tools"));
  const listed = [flow, ...agents, ...models, ...tools]
    .flatMap((part) => items(field(part, "requirements")))
    .filter((text) => typeof text === "string" && !/^\s*(waldiez|ag2|autogen)\b(?!-)/i.test(text));
  const extras = [
    ...models.map((model) => extraOfModel[String(field(field(model, "data"), "apiType"))]),
    ...tools.map((tool) => extraOfTool[String(field(field(tool, "data"), "toolType"))]),
  ].filter((extra) => extra !== undefined);
  const ag2 = `ag2[${["openai", ...new Set(extras)].join(",")}]==${ag2Version}`;
  return [waldiez, ag2, ...(skipListed ? [] : (listed as string[]))];
}

function field(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}

function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
