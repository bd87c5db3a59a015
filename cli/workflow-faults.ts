import { ConnectError } from "@connectrpc/connect";
import { type Fault, refusalOf } from "../sdk/typescript/antiphon.ts";
import { CommandFailure } from "./command-failure.ts";
import { exitCode } from "./exit-code.ts";

/** Makes a call with a definition from a file; when the definition is at fault, throws a CommandFailure that tells where in the file. */
export async function withPlaces<Answer>(
  placed: (fault: Fault) => Fault,
  call: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    const { reason, faults } = refusalOf(error);
    if (!(error instanceof ConnectError) || faults.length === 0) throw error;
    const how = { exitCode: exitCode.failed, reason, faults: faults.map(placed), cause: error };
    throw new CommandFailure("the request is refused", how);
  }
}
