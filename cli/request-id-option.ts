import { Option } from "commander";

/** A request's own id, as an option says it. */
export interface RequestIdOption {
  readonly requestId?: string;
}

/** `--request-id <id>`: a script that repeats its command under one id does once what it asks for. Each invocation has an id of its own without it. */
export function requestIdOption(): Option {
  return new Option("--request-id <id>", "do it once, however often the command is repeated with this id");
}
