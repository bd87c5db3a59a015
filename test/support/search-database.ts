import type { Database } from "../../lib/postgres/database.ts";
import { sql } from "../../lib/postgres/sql.ts";

/** The tables that hold a text anywhere, also within bytes, as `schema.table`. */
export async function tablesThatHold(db: Database, text: string): Promise<string[]> {
  const hex = Buffer.from(text).toString("hex");
  const [row] = await db.query<{ tables: string[] }>(sql`
    select coalesce(array_agg(name order by name), '{}') as tables
    from (
      select
        format('%s.%s', table_schema, table_name) as name,
        -- A whole table as XML: names of tables can not be parameters of a query.
        query_to_xml(format('select t::text as t from %I.%I as t', table_schema, table_name), false, false, '')
          ::text as content
      from information_schema.tables
      where table_type = 'BASE TABLE'
        and table_schema not in ('pg_catalog', 'information_schema')
    ) as dumped
    where content like '%' || ${text}::text || '%'
      or content like '%' || ${hex}::text || '%'
  `);
  return row?.tables ?? [];
}
