import { isDeepStrictEqual } from "node:util";
import type { HttpAnswer, HttpRoute } from "../../services/gateway/http/route.ts";

/** Routes whose answers are held to what their descriptions say. */
export interface DescribedAnswers {
  readonly routes: readonly HttpRoute[];
  /** To be asked at the end of the tests: throws when something was answered otherwise than described, with a line for each. */
  readonly check: () => void;
}

/** Looks at each answer of routes, and passes it on whatever it is. */
export function describedAnswers(routes: readonly HttpRoute[]): DescribedAnswers {
  const faults: string[] = [];
  return {
    check: () => {
      if (faults.length > 0) throw new Error(faults.join("\n"));
    },
    routes: routes.map((route) => ({
      ...route,
      async handle(call) {
        const answer = await route.handle(call);
        const fault = faultOf(route, answer);
        if (fault !== undefined) faults.push(`${route.method} ${route.path}: ${fault}`);
        return answer;
      },
    })),
  };
}

function faultOf({ responses }: HttpRoute, { status, body, headers }: HttpAnswer): string | undefined {
  const described = responses[status];
  if (described === undefined) return `answers ${status}, which is not described`;
  if (body === undefined) return described.schema && `answers ${status} without the body that is described`;
  const { schema, contentType } = described;
  const sentType = headers?.["content-type"];
  if (
    typeof sentType === "string" &&
    contentType !== "*/*" &&
    !sentType.startsWith(contentType ?? "application/json")
  )
    return `answers ${status} as ${sentType}, which is not described`;
  if (typeof body === "object" && (body instanceof Uint8Array || Symbol.asyncIterator in body))
    return undefined;
  if (schema === undefined) return `answers ${status} with a body that is not described`;
  const sent: unknown = typeof body === "string" ? body : JSON.parse(JSON.stringify(body));
  const read = schema.safeParse(sent);
  if (!read.success) return `answers ${status} with ${read.error.message}`;
  // What a schema does not know it leaves out.
  return isDeepStrictEqual(read.data, sent)
    ? undefined
    : `answers ${status} with ${JSON.stringify(sent)}, of which ${JSON.stringify(read.data)} is described`;
}
