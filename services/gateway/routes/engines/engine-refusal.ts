import { Code } from "@connectrpc/connect";
import { z } from "zod";
import { fromConnectError } from "../../../../lib/rpc/from-connect-error.ts";
import { HttpRefusal } from "../../http/http-refusal.ts";
import type { RouteResponse } from "../../http/route.ts";

/** A refusal as the engines' clients know them. */
const refusalBody = z.object({ detail: z.string(), reason: z.string().optional() });

/** What a refusal for a reason looks like, for the documentation. */
export function refusalResponse(description: string): RouteResponse {
  return { description, schema: refusalBody };
}

/** Asks for something that the caller named by an id; when there is none, answers 404 in the engine's own words. */
export async function named<Found>(what: string, ask: Promise<Found>): Promise<Found> {
  try {
    return await ask;
  } catch (thrown) {
    const { code, reason } = fromConnectError(thrown);
    if (code !== Code.NotFound) throw thrown;
    throw new HttpRefusal(404, `${what} not found`, { ...(reason && { reason }), cause: thrown });
  }
}

/** Hands a definition over; when it is refused, answers 400 with every fault. */
export async function valid<Stored>(store: Promise<Stored>): Promise<Stored> {
  try {
    return await store;
  } catch (thrown) {
    const { code, reason, faults } = fromConnectError(thrown);
    if (code !== Code.InvalidArgument || faults.length === 0) throw thrown;
    const told = faults.map(({ path, reason, message }) => {
      // A definition that is sent along with a start has its paths below `workflow`; here it is the body.
      const at = path.replace(/^workflow\./, "");
      return `${at}: ${message}${reason === "" ? "" : ` (${reason})`}`;
    });
    throw new HttpRefusal(400, `the workflow didn't pass validation: ${told.join("; ")}`, {
      ...(reason && { reason }),
      cause: thrown,
    });
  }
}
