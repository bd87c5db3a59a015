import { describe, expect, test } from "vitest";
import { canonicalRequirements, packageOf } from "./requirement.ts";

describe("canonicalRequirements", () => {
  test("gives one spelling to names, extras, versions and order, without repeats", () => {
    expect(
      canonicalRequirements([" Zope.Interface ", "pandas [Excel, aws]>= 2,<3", "zope-interface"]),
    ).toEqual(["pandas[aws,excel]<3,>=2", "zope-interface"]);
  });

  test.each(["six", "six==1.17.0", "a~=1.0", "a!=1.*", "a===1.0+local", "a[b]", "a>=1,<2,!=1.5"])(
    "takes %s",
    (text) => {
      expect(canonicalRequirements([text])).toEqual([text.split(",").length > 1 ? "a!=1.5,<2,>=1" : text]);
    },
  );

  test.each([
    "",
    "-r requirements.txt",
    "--index-url=http://elsewhere/",
    "six @ https://elsewhere/six.whl",
    "git+https://elsewhere/six",
    "./six",
    "/tmp/six.whl",
    "six; python_version > '3'",
    "six==1.0 --hash=sha256:00",
    "six\n--pre",
    "six==",
    "-six",
    "x".repeat(201),
  ])("refuses %j", (text) => {
    expect(() => canonicalRequirements([text])).toThrow(
      expect.objectContaining({ fault: "REQUIREMENT_INVALID" }),
    );
  });

  test("refuses more than a hundred", () => {
    const texts = Array.from({ length: 101 }, (_, index) => `a${index}`);
    expect(() => canonicalRequirements(texts)).toThrow("at most 100");
  });
});

test("packageOf names the package without extras and versions", () => {
  expect(["six", "six==1", "pandas[aws]<3"].map(packageOf)).toEqual(["six", "six", "pandas"]);
});
