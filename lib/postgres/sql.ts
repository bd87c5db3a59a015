/** One value of a statement, or one element of an array. `undefined` is written as null. */
export type Scalar = string | number | bigint | boolean | Date | Uint8Array | null | undefined;

/** What may stand in `${…}` as a value. An array becomes one parameter and needs a cast in the SQL: `${ids}::uuid[]`. */
export type Parameter = Scalar | readonly Scalar[];

/** A statement with its values apart from its text; made by `sql` only. */
export class Statement {
  /** The SQL with `$1`, `$2`, … where the values stand. */
  readonly text: string;
  readonly values: readonly Parameter[];

  constructor(text: string, values: readonly Parameter[]) {
    this.text = text;
    this.values = values;
  }
}

const textOf = new WeakMap<TemplateStringsArray, string>();

/**
 * Writes a statement: `` sql`select name from auth.client where id = ${id}` ``.
 *
 * Values can only be parameters. A statement inside a statement is put in its
 * place with its values, which is how a condition is added; names of tables and
 * columns can not be inserted at all.
 */
export function sql(parts: TemplateStringsArray, ...inserted: readonly (Parameter | Statement)[]): Statement {
  if (inserted.some((value) => value instanceof Statement)) return composed(parts, inserted);
  let text = textOf.get(parts);
  if (text === undefined) {
    text = parts.reduce((before, part, index) => `${before}$${index}${part}`);
    textOf.set(parts, text);
  }
  return new Statement(text, inserted as readonly Parameter[]);
}

function composed(parts: readonly string[], inserted: readonly (Parameter | Statement)[]): Statement {
  const values: Parameter[] = [];
  let text = parts[0] ?? "";
  for (const [index, value] of inserted.entries()) {
    if (value instanceof Statement) {
      const offset = values.length;
      text += value.text.replaceAll(/\$(\d+)/g, (_, place) => `$${Number(place) + offset}`);
      values.push(...value.values);
    } else {
      values.push(value);
      text += `$${values.length}`;
    }
    text += parts[index + 1] ?? "";
  }
  return new Statement(text, values);
}
