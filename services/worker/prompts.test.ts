import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Answered, AnsweredSchema, type Report } from "../../gen/antiphon/worker/v1/assignment_pb.ts";
import { Prompts } from "./prompts.ts";
import type { EntryBody } from "./transcript-buffer.ts";

function prompts() {
  const reports: Report["fact"][] = [];
  const said: EntryBody[] = [];
  let repeats = 0;
  const asked = new Prompts({
    report: (fact) => reports.push(fact),
    repeatReports: () => {
      repeats += 1;
    },
    transcript: { sayUrgently: (body) => void said.push(body) },
    openSealed: (sealed) => (sealed.length === 0 ? undefined : Buffer.from(sealed).toString()),
  });
  return { asked, reports, said, repeats: () => repeats };
}

const answered = (promptId: string, answer: Answered["answer"]): Answered =>
  create(AnsweredSchema, { promptId, answeredBy: "me", requestId: "r", answer });

describe("prompts", () => {
  test("are told only when their report is confirmed, and once", () => {
    const { asked, said } = prompts();
    void asked.ask({ text: "name?", password: false });
    expect(said).toEqual([]);
    asked.confirmed(1);
    asked.confirmed(1);
    expect(said.map((body) => body.case)).toEqual(["prompt"]);
  });

  test("take the first answer, also before the confirmation, and tell the question before it", async () => {
    const { asked, said } = prompts();
    const answer = asked.ask({ text: "name?", password: false });
    const [promptId = ""] = asked.openIds;
    asked.answered(answered(promptId, { case: "text", value: "Ada" }));
    asked.answered(answered(promptId, { case: "text", value: "Bob" }));
    expect(await answer).toBe("Ada");
    expect(said.map((body) => body.case)).toEqual(["prompt", "answer"]);
    expect(asked.openIds).toEqual([]);
  });

  test("report the receipt of a secret answer once, and repeat it for another", async () => {
    const { asked, reports, said, repeats } = prompts();
    const answer = asked.ask({ text: "", password: true });
    const [promptId = ""] = asked.openIds;
    asked.answered(answered(promptId, { case: "sealed", value: Buffer.from("s3cret") }));
    asked.answered(answered(promptId, { case: "sealed", value: Buffer.from("other") }));
    expect(await answer).toBe("s3cret");
    expect(reports.map((fact) => fact.case)).toEqual(["promptOpened", "sealedAnswerReceived"]);
    expect(repeats()).toBe(1);
    expect(JSON.stringify(said)).not.toContain("s3cret");
  });

  test("stay open when a secret answer does not open", () => {
    const { asked, reports } = prompts();
    void asked.ask({ text: "", password: true });
    const [promptId = ""] = asked.openIds;
    asked.answered(answered(promptId, { case: "sealed", value: new Uint8Array() }));
    expect(asked.openIds).toEqual([promptId]);
    expect(reports).toHaveLength(1);
  });

  test("are closed without an answer at the end", async () => {
    const { asked } = prompts();
    const open = asked.ask({ text: "", password: false });
    asked.close();
    expect(await open).toBeUndefined();
    expect(await asked.ask({ text: "late", password: false })).toBeUndefined();
  });
});
