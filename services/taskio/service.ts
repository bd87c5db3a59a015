import type { ServiceImpl } from "@connectrpc/connect";
import type { TaskIOService } from "../../gen/antiphon/taskio/v1/taskio_service_pb.ts";
import { type AnswersNeeds, answer } from "./answers.ts";
import { askerOf } from "./rpc/asker.ts";
import { attach } from "./rpc/attach.ts";
import { type GetTranscriptNeeds, getTranscript } from "./rpc/get-transcript.ts";
import { watch } from "./rpc/watch.ts";
import { validInput } from "./validate.ts";

/** What the RPCs work with. */
export interface TaskIONeeds extends GetTranscriptNeeds {
  readonly answers: AnswersNeeds;
}

/** The RPCs of TaskIOService. */
export function taskIOService(needs: TaskIONeeds): ServiceImpl<typeof TaskIOService> {
  return {
    attach: attach(needs),
    watch: watch(needs),
    getTranscript: getTranscript(needs),
    async sendInput(request, context) {
      await answer(askerOf(context), validInput(request), needs.answers);
      return {};
    },
  };
}
