import { z } from "zod";

/** What a scripted handler does, as it stands in the config of its node. */
export type Script = z.infer<typeof schema>;

const schema = z.object({
  steps: z.array(
    z.discriminatedUnion("kind", [
      z.object({ kind: z.literal("wait"), ms: z.number() }),
      z.object({ kind: z.literal("write"), text: z.string() }),
      z.object({ kind: z.literal("ask"), password: z.boolean() }),
    ]),
  ),
  end: z.enum(["complete", "fail", "throw"]),
  /** Attempts before this one fail instead. */
  failsBefore: z.number(),
});

/** Reads a script. Throws when it is none. */
export function readScript(text: string): Script {
  return schema.parse(JSON.parse(text));
}
