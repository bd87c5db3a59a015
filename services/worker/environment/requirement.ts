import { EnvironmentError } from "./environment-error.ts";

const maxRequirements = 100;
const maxCharacters = 200;

const name = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
const version = "(?:===|==|~=|!=|<=|>=|<|>) *[A-Za-z0-9][A-Za-z0-9.!+_-]*(?:\\.\\*)?";
const requirement = new RegExp(
  `^(?<name>${name}) *(?:\\[ *(?<extras>${name}(?: *, *${name})*)? *\\])? *(?<versions>${version}(?: *, *${version})*)?$`,
);

/**
 * Requirements in one canonical form, sorted, without repeats: `pandas[excel]<3,>=2`.
 *
 * Taken are names, extras and versions. URLs, paths, options and markers are
 * refused: they would make pip fetch from elsewhere, or mean something else
 * from machine to machine. At most 100, of at most 200 characters.
 *
 * @throws EnvironmentError `REQUIREMENT_INVALID`, naming the one at fault.
 */
export function canonicalRequirements(texts: readonly string[]): readonly string[] {
  if (texts.length > maxRequirements) {
    throw new EnvironmentError(
      "REQUIREMENT_INVALID",
      `there are ${texts.length} requirements; at most ${maxRequirements} are allowed`,
    );
  }
  return [...new Set(texts.map(canonicalRequirement))].sort();
}

/** The package that a canonical requirement is about. */
export function packageOf(canonical: string): string {
  return /^[a-z0-9-]+/.exec(canonical)?.[0] ?? canonical;
}

function canonicalRequirement(text: string): string {
  const shown = JSON.stringify(text.slice(0, maxCharacters));
  const parts = text.length > maxCharacters ? undefined : requirement.exec(text.trim())?.groups;
  if (parts === undefined) {
    throw new EnvironmentError(
      "REQUIREMENT_INVALID",
      `${shown} is not a package name with optional extras and versions, as in "pandas[excel]>=2,<3"`,
    );
  }
  const extras = listed(parts["extras"]).map(canonicalName);
  const versions = listed(parts["versions"]?.replaceAll(" ", ""));
  const bracketed = extras.length > 0 ? `[${extras.sort().join(",")}]` : "";
  return `${canonicalName(parts["name"] ?? "")}${bracketed}${versions.sort().join(",")}`;
}

/** One spelling for a package, as the index has it: lower case, single dashes. */
function canonicalName(text: string): string {
  return text.toLowerCase().replaceAll(/[-_.]+/g, "-");
}

function listed(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(",").map((item) => item.trim());
}
