/** Rewrites test/schema.sql, the schema that all migrations together produce; with --check it fails if the file is not up to date. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Database } from "../lib/postgres/database.ts";
import { EmbeddedPostgres } from "../lib/postgres/embedded-postgres.ts";
import { migrateServices } from "../lib/postgres/migrate.ts";
import { sql } from "../lib/postgres/sql.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const target = join(root, "test", "schema.sql");

const text = await migratedSchema();
if (process.argv.includes("--check")) {
  const written = await readFile(target, "utf8").catch(() => "");
  if (written !== text) {
    const lines = text.split("\n");
    const at = written.split("\n").findIndex((line, index) => line !== lines[index]);
    process.stderr.write(
      `test/schema.sql is not what the migrations produce, from line ${at + 1} on; run node scripts/dump-schema.ts\n`,
    );
    process.exitCode = 1;
  }
} else {
  await writeFile(target, text);
}

async function migratedSchema(): Promise<string> {
  const dataDirectory = await mkdtemp(join(tmpdir(), "antiphon-schema-"));
  try {
    await using server = await EmbeddedPostgres.start({ dataDirectory, settings: { fsync: "off" } });
    await using db = new Database(server.url);
    await migrateServices(db, join(root, "services"));
    return await schemaText(db);
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** All that the migrations made, without the ledgers, in an order that depends on names alone. */
async function schemaText(db: Database): Promise<string> {
  const blocks = await db.query<{ definition: string }>(sql`
    with ours as (
      select oid, nspname as schema
      from pg_namespace
      where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
    ), relation as (
      select class.oid, class.relkind as kind, class.reloptions as options, class.relname as name, ours.schema
      from pg_class as class
      join ours on ours.oid = class.relnamespace
      where class.relname <> 'migration'
    ), line as (
      select attrelid as relation, 1 as part, attnum::int as place, '' as name,
        concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
          case when attnotnull then 'not null' end,
          case
            when attidentity <> '' then 'generated as identity'
            when attgenerated <> '' then format('generated always as (%s)', pg_get_expr(adbin, adrelid))
            when adbin is not null then 'default ' || pg_get_expr(adbin, adrelid)
          end) as text
      from pg_attribute
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
      where attnum > 0 and not attisdropped
      union all
      select conrelid, 2, 0, conname, format('constraint %I %s', conname, pg_get_constraintdef(oid))
      from pg_constraint
      where contype <> 'n'
    ), block as (
      select schema, 0 as part, '' as name, format('create schema %I;', schema) as definition
      from ours
      union all
      select schema, 2, relation.name, format(E'create table %I.%I (\n%s\n)%s%s;', schema, relation.name,
        string_agg('  ' || line.text, E',\n' order by line.part, line.place, line.name collate "C"),
        case when kind = 'p' then ' partition by ' || pg_get_partkeydef(oid) end,
        ' with (' || array_to_string(options, ', ') || ')')
      from relation
      join line on line.relation = relation.oid
      where kind in ('r', 'p')
      group by schema, relation.name, kind, oid, options
      union all
      select schema, 3, indexes.relname, pg_get_indexdef(indexrelid) || ';'
      from pg_index
      join relation on relation.oid = indrelid
      join pg_class as indexes on indexes.oid = indexrelid
      where not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
      union all
      select schema, 4, name, format(E'create view %I.%I as\n%s', schema, name, pg_get_viewdef(oid, true))
      from relation
      where kind = 'v'
      union all
      select schema, 1, typname, format('create type %I.%I as enum (%s);', schema, typname,
        (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum where enumtypid = pg_type.oid))
      from pg_type
      join ours on ours.oid = typnamespace
      where typtype = 'e'
      union all
      select schema, 5, proname, rtrim(pg_get_functiondef(pg_proc.oid), E'\n') || ';'
      from pg_proc
      join ours on ours.oid = pronamespace
      where prokind in ('f', 'p')
      union all
      select schema, 6, tgname, pg_get_triggerdef(pg_trigger.oid) || ';'
      from pg_trigger
      join relation on relation.oid = tgrelid
      where not tgisinternal
    )
    select definition
    from block
    order by schema collate "C", part, name collate "C", definition collate "C"
  `);
  const heading =
    "-- What all migrations together produce. Written by scripts/dump-schema.ts; read it as a diff.\n";
  return [heading, ...blocks.map(({ definition }) => `${definition}\n`)].join("\n");
}
