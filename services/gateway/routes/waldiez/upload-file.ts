import { z } from "zod";
import { HttpRefusal } from "../../http/http-refusal.ts";
import { declaredBytes } from "../../http/read-body.ts";
import { type HttpCall, type HttpRoute, httpRoute } from "../../http/route.ts";
import { loadFault } from "./flow-links.ts";
import { fileTooLarge, maxFileBytes, refuseContent, refuseName, storeFile } from "./stored-file.ts";
import { maxFormBytes } from "./submission-form.ts";
import { wholeContent } from "./submission-source.ts";
import { makeTasks } from "./waldiez-access.ts";

const form = z.object({
  file: z.string().meta({ format: "binary", description: "A `.waldiez` file." }),
});

const limits = { fileBytes: maxFileBytes, files: 1, fieldBytes: 64 * 1024, fields: 40, fileTooLarge };

/** `POST /api/v1/tasks/upload`: keeps a flow for tasks that name it. */
export function uploadFile(): HttpRoute {
  return httpRoute({
    method: "POST",
    path: "/api/v1/tasks/upload",
    access: makeTasks,
    tag: "Tasks",
    summary: "Keeps a flow for tasks that name it",
    description: "It is checked, kept for 24 hours, and any number of tasks may name it by `filename`.",
    style: "waldiez",
    body: { kinds: ["multipart"], schema: form, maxBytes: maxFormBytes },
    responses: {
      204: { description: "It is kept." },
      400: { description: "It is too large, empty, or not a flow's file." },
      413: { description: "The form is larger than 8 MiB." },
      422: { description: "There is no file, or it is not a flow." },
    },
    async handle(call) {
      const { fileName, bytes } = await sentFile(call);
      refuseName(fileName);
      refuseContent(bytes);
      const fault = loadFault(bytes);
      if (fault !== undefined) throw invalid(`the file ${fault}`);
      await storeFile({ fileName, content: wholeContent(bytes) }, call);
      return { status: 204 };
    },
  });
}

/**
 * The form's file, whole: whether it is a flow is known at its end, and nothing of
 * what is none goes to the scheduler, so it can not be handed on as it comes. Its
 * bytes are held for the call before they are read, within what all calls may hold.
 */
async function sentFile({ parts, hold, request }: Pick<HttpCall, "parts" | "hold" | "request">): Promise<{
  readonly fileName: string;
  readonly bytes: Uint8Array;
}> {
  hold(Math.min(declaredBytes(request) ?? maxFileBytes, maxFileBytes));
  for await (const part of parts(limits)) {
    if (part.kind !== "file") continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of part.content) chunks.push(chunk);
    if (part.name === "file") return { fileName: part.fileName, bytes: Buffer.concat(chunks) };
  }
  throw invalid("the form has no file", "missing");
}

function invalid(message: string, type = "value_error"): HttpRefusal {
  return new HttpRefusal(422, message, {
    reason: "FILE_REJECTED",
    fields: [{ at: ["body", "file"], type, message }],
  });
}
