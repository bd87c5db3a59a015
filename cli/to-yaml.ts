import type { JsonValue } from "@bufbuild/protobuf";
import { Document, visit } from "yaml";

/**
 * JSON as a document of YAML, a line for each scalar. Texts that readers of YAML
 * 1.1 take for something else (`yes`, `1:30`, `2026-01-01`, `1_000`) are quoted.
 */
export function toYaml(value: JsonValue): string {
  const document = new Document(value, { compat: "yaml-1.1", aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_key, scalar) {
      // The "value" type of YAML 1.1, which the library leaves out.
      if (scalar.value === "=") scalar.type = "QUOTE_DOUBLE";
    },
  });
  return document.toString({ lineWidth: 0 });
}
