/** The place of an entry in its task's transcript: attempt and number, written `2-17`. */
export interface Cursor {
  readonly attempt: number;
  readonly seq: number;
}

/** The place before every entry, written as the empty text. */
export const beginning: Cursor = { attempt: 0, seq: 0 };

const cursorForm = /^([1-9]\d{0,9})-([1-9]\d{0,9})$/;

/** What both parts are at most: int32 in the contract and in Postgres. */
const greatest = 2_147_483_647;

/** Reads a cursor as callers write it, undefined when it is malformed. */
export function parseCursor(text: string): Cursor | undefined {
  if (text === "") return beginning;
  const [, attempt, seq] = cursorForm.exec(text) ?? [];
  const cursor = { attempt: Number(attempt), seq: Number(seq) };
  return cursor.attempt <= greatest && cursor.seq <= greatest ? cursor : undefined;
}

/** Writes a cursor for callers. */
export function cursorText({ attempt, seq }: Cursor): string {
  return attempt === 0 ? "" : `${attempt}-${seq}`;
}

/** Orders two places: negative when `a` comes first. */
export function compareCursors(a: Cursor, b: Cursor): number {
  return a.attempt - b.attempt || a.seq - b.seq;
}
