import { createHash, randomBytes } from "node:crypto";

/** The label that keeps a task's flow id. */
export const flowIdLabel = "waldiez.flow_id";

/** The label that keeps the `Idempotency-Key` that a task came with. */
const keyLabel = "waldiez.idempotency_key";

/** The labels of a task that is submitted here; `idempotencyKey` is empty where there is none. */
export function submissionLabels(flowId: string, idempotencyKey: string): Record<string, string> {
  return { [flowIdLabel]: flowId, ...(idempotencyKey !== "" && { [keyLabel]: idempotencyKey }) };
}

/** What the Waldiez runner knows a submitted file by: the same file under the same name has the same id, unless `nonce` sets it apart. */
export function flowIdOf(
  { md5, fileName }: { readonly md5: string; readonly fileName: string },
  nonce?: string,
): string {
  const ofName = createHash("md5").update(fileName).digest("hex").slice(0, 8);
  return [md5, ofName, ...(nonce === undefined ? [] : [nonce])].join("-");
}

/** Eight hexadecimal digits: always the same for the same key of a caller's, so that its repeat is a repeat; drawn where there is none. */
export function nonceFor(idempotencyKey: string): string {
  return idempotencyKey === ""
    ? randomBytes(4).toString("hex")
    : createHash("sha256").update(idempotencyKey).digest("hex").slice(0, 8);
}
