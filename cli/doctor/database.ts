import { join } from "node:path";
import { Database } from "../../lib/postgres/database.ts";
import { postgresBinaries } from "../../lib/postgres/postgres-binaries.ts";
import { sql } from "../../lib/postgres/sql.ts";
import { type Check, type Finding, sayingOf } from "./finding.ts";

/** A clock that is further off than this makes logs hard to read. */
const toleratedSkewMs = 5_000;

/** The Postgres that is told of, and how far its clock is from ours; else the one that comes with us. */
export const checkDatabase: Check = async ({ env, temporary }) => {
  const url = env["DATABASE_URL"];
  if (url !== undefined && url !== "") return ofUrl(url);
  try {
    const { version } = await postgresBinaries(join(temporary, "postgres"));
    return { name: "postgres", status: "ok", detail: `embedded ${version}` };
  } catch (error) {
    return {
      name: "postgres",
      status: "missing",
      detail: sayingOf(error),
      mend: "npm run setup, or set DATABASE_URL",
    };
  }
};

async function ofUrl(url: string): Promise<readonly Finding[]> {
  try {
    await using db = new Database(url);
    const [row] = await db.query<{ version: string; now: Date }>(
      sql`select current_setting('server_version') as version, clock_timestamp() as now`,
    );
    if (row === undefined) throw new Error("it answers nothing");
    return [{ name: "postgres", status: "ok", detail: `${row.version} at DATABASE_URL` }, clock(row.now)];
  } catch (error) {
    const detail = `DATABASE_URL is set, but ${sayingOf(error)}`;
    return [
      { name: "postgres", status: "missing", detail, mend: "start that Postgres, or unset DATABASE_URL" },
    ];
  }
}

function clock(there: Date): Finding {
  const skewMs = Math.abs(there.getTime() - Date.now());
  const apart = `${(skewMs / 1_000).toFixed(1)} s from the clock of Postgres`;
  if (skewMs <= toleratedSkewMs) return { name: "clock", status: "ok", detail: apart };
  return { name: "clock", status: "optional", detail: apart, mend: "timedatectl set-ntp true" };
}
