import { describe, expect, test } from "vitest";
import { looksLikeText, sniffedBytes } from "./text-check.ts";

describe("looksLikeText", () => {
  test.each([
    ["JSON", '{"type": "flow",\n\t"name": "käse"}'],
    ["JSON with a mark in front", '\ufeff{"a": 1}'],
    ["a text", "just words\r\n"],
    ["a text whose character is cut at the end of what is looked at", `${"a".repeat(sniffedBytes - 1)}ä`],
  ])("takes %s", (_, text) => {
    expect(looksLikeText(Buffer.from(text))).toBe(true);
  });

  test.each([
    ["a zip archive", Buffer.from("504b030414000000", "hex")],
    ["a picture", Buffer.from("89504e470d0a1a0a0000000d", "hex")],
    ["a program", Buffer.from("7f454c4602010100", "hex")],
    ["a text in UTF-16", Buffer.from("ÿþa\0b\0", "latin1")],
    ["a text in Latin-1", Buffer.from("k\xe4se", "latin1")],
    ["a text with a zero in it", Buffer.from("a\0b")],
  ])("refuses %s", (_, bytes) => {
    expect(looksLikeText(bytes)).toBe(false);
  });
});
