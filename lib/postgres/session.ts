import type { Connection } from "./connection.ts";
import { DatabaseError } from "./errors.ts";
import { parameterText } from "./parameter.ts";
import type { Statement } from "./sql.ts";

/** What runs statements: the database, where each is a transaction of its own, a session, or a transaction. */
export interface Queryable {
  /**
   * Runs one statement and answers its rows, with the columns by the names that
   * SQL gives them; `column.ts` says what each type becomes.
   *
   * Rejects with a `DatabaseError` (see `errors.ts`), and with a `RangeError`
   * when a bigint of the answer is beyond what a number holds exactly.
   */
  query<Row extends object = Record<string, unknown>>(statement: Statement): Promise<Row[]>;
}

/** What runs one statement after the other, in the order they were asked for, on one connection. */
export interface Transaction extends Queryable {
  /** Runs SQL text without parameters. Outside a transaction, several statements in one text are one transaction. */
  script(text: string): Promise<void>;
}

/** A connection that is held for a while. */
export interface Session extends Transaction {
  /** Runs `work` between `begin` and `commit`, or `rollback` when it rejects. One at a time. */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result>;
}

/** A session on a connection that nobody else uses meanwhile. `timeoutMs` is the limit that its statements have. */
export function sessionOn(connection: Connection, timeoutMs?: number): Session {
  let last: Promise<unknown> = Promise.resolve();

  function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  }

  const statements: Transaction = {
    async query<Row extends object>({ text, values }: Statement): Promise<Row[]> {
      const parameters = values.map(parameterText);
      return (await inTurn(() => connection.run(text, parameters, timeoutMs))).rows as Row[];
    },
    script: (text) => inTurn(() => connection.runScript(text, timeoutMs)),
  };

  return {
    ...statements,
    async transaction(work) {
      await inTurn(() => connection.run("begin", [], timeoutMs));
      const scope = new AbortController();
      try {
        const result = await work(untilAborted(statements, scope.signal));
        scope.abort();
        await inTurn(() => commit(connection, timeoutMs));
        return result;
      } catch (error) {
        scope.abort();
        await inTurn(() => rollback(connection, timeoutMs));
        throw error;
      }
    },
  };
}

/** The same, but refusing: a statement that outlives its transaction must not run outside of it. */
function untilAborted(statements: Transaction, signal: AbortSignal): Transaction {
  const orRefuse = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (signal.aborted) throw new Error("the transaction is over");
    return work();
  };
  return {
    query: (statement) => orRefuse(() => statements.query(statement)),
    script: (text) => orRefuse(() => statements.script(text)),
  };
}

async function commit(connection: Connection, timeoutMs: number | undefined): Promise<void> {
  const { command } = await connection.run("commit", [], timeoutMs);
  // Postgres answers a commit after a failed statement with a rollback, not with an error.
  if (command !== "COMMIT") {
    throw new DatabaseError("a statement of the transaction has failed", {
      code: "25P02",
      phase: "statement",
    });
  }
}

/** Leaves the connection without a transaction, or gone. */
async function rollback(connection: Connection, timeoutMs: number | undefined): Promise<void> {
  if (connection.isUsable) await connection.run("rollback", [], timeoutMs).catch(() => connection.destroy());
}
