import { describe, expect, test } from "vitest";
import { jsonAnswer, refuseUnlessMatched } from "./json-answer.ts";

const body = { id: "1", status: "PENDING" };
const tagOf = (value: object): string => String(jsonAnswer({ headers: {} }, value).headers?.["etag"]);

describe("jsonAnswer", () => {
  test("answers the body with a tag of its own, and nothing to who has it", () => {
    const etag = tagOf(body);
    expect(jsonAnswer({ headers: {} }, body)).toMatchObject({ status: 200, body: JSON.stringify(body) });
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      expect(jsonAnswer({ headers: { "if-none-match": known } }, body)).toEqual({
        status: 304,
        headers: { etag },
      });
    }
    expect(jsonAnswer({ headers: { "if-none-match": etag } }, { ...body, status: "RUNNING" }).status).toBe(
      200,
    );
  });
});

describe("refuseUnlessMatched", () => {
  test("lets through who names nothing, or what is there", () => {
    for (const headers of [{}, { "if-match": tagOf(body) }, { "if-match": "*" }]) {
      expect(() => refuseUnlessMatched({ headers }, body)).not.toThrow();
    }
  });

  test("refuses who saw something else", () => {
    const headers = { "if-match": tagOf({ ...body, status: "RUNNING" }) };
    expect(() => refuseUnlessMatched({ headers }, body)).toThrow(expect.objectContaining({ status: 412 }));
  });
});
