import { Code, ConnectError } from "@connectrpc/connect";
import { delay } from "../../../lib/async/delay.ts";
import type { Random } from "../world/random.ts";

/** Asks again until it is answered, or refused for another reason than an outage. */
export async function insist<Answer>(random: Random, ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isOutage(ConnectError.from(error).code)) throw error;
      await delay(random.between(20, 800));
    }
  }
}

function isOutage(code: Code): boolean {
  return code === Code.Unavailable || code === Code.DeadlineExceeded || code === Code.Canceled;
}
