/** A place in a task's transcript, to the byte: behind so many bytes of this entry's output, or behind a whole entry of another kind with `offset` 1. */
export interface Place {
  readonly attempt: number;
  readonly seq: number;
  readonly offset: number;
}

/** How many digits the number of an entry is written with, so that ids sort as they came. */
const seqDigits = 10;

const idForm = /^([1-9]\d{0,9})(\d{10})-(\d{1,9})$/;

/** The greatest number of an attempt or an entry: int32 in the contract. */
const greatest = 2_147_483_647;

/**
 * A frame's id: two whole numbers, as ids of Redis streams have, which grow from
 * frame to frame. The first is the attempt with the entry's number behind it.
 */
export function frameId({ attempt, seq, offset }: Place): string {
  return `${attempt}${String(seq).padStart(seqDigits, "0")}-${offset}`;
}

/** The place of a frame by its id, undefined when it is none. */
export function parseFrameId(text: string): Place | undefined {
  const [matched, attempt, seq, offset] = idForm.exec(text) ?? [];
  if (matched === undefined) return undefined;
  const place = { attempt: Number(attempt), seq: Number(seq), offset: Number(offset) };
  return place.attempt <= greatest && place.seq <= greatest && place.seq > 0 ? place : undefined;
}
