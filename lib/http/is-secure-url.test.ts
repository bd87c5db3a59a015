import { expect, test } from "vitest";
import { isSecureUrl } from "./is-secure-url.ts";

test.each(["https://id.example.com/realm", "http://localhost:8080", "http://127.0.0.1/x", "http://[::1]:1"])(
  "%s is secure",
  (url) => {
    expect(isSecureUrl(url)).toBe(true);
  },
);

test.each([
  "http://id.example.com",
  "http://127.0.0.1.example.com",
  "https://user:secret@id.example.com",
  "ftp://localhost",
  "localhost",
])("%s is not secure", (url) => {
  expect(isSecureUrl(url)).toBe(false);
});
