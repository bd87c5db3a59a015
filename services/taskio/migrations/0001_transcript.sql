-- Transcripts. Nothing runs on this schema before it, so nothing changes for
-- running processes.

-- How far the transcript of each task is archived: the place of its last stored
-- entry. It moves with the entries in one statement and only from where its
-- mover believed it to be, so that the stored entries of a task are always the
-- beginning of its transcript, in order and without a hole.
create table taskio.transcript (
  task_id text not null,
  attempt integer not null,
  seq integer not null,
  constraint transcript_pkey primary key (task_id),
  constraint transcript_place check (attempt >= 1 and seq >= 1)
) with (fillfactor = 70, autovacuum_analyze_threshold = 50, autovacuum_analyze_scale_factor = 0.05);

-- The entries, as antiphon.taskio.v1.Entry in its binary form, of `size` bytes. A
-- body of fewer bytes is compressed by zstd.
create table taskio.transcript_entry (
  task_id text not null,
  attempt integer not null,
  seq integer not null,
  size integer not null,
  body bytea not null,
  constraint transcript_entry_pkey primary key (task_id, attempt, seq)
);

-- What can be compressed is; Postgres need not try.
alter table taskio.transcript_entry alter column body set storage external;
