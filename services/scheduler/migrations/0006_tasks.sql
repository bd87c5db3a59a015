-- What stand-alone tasks are found and counted by. Old code goes on: the column is
-- null in what it writes, and its owners' successors fill it in.

alter table scheduler.run
  -- Where the single task of a run without a workflow stands; null for the others.
  -- Null, too, in rows of older code; of a run that has ended the run's own state
  -- says it.
  add column task_state text,
  add constraint run_task_state_check check (
    task_state in (
      'pending', 'queued', 'starting', 'running', 'waiting_for_input',
      'completed', 'failed', 'cancelled', 'skipped'
    )
  ) not valid;

create index task_by_client_idx on scheduler.run (client_id, created_at desc, run_id desc)
where workflow_id is null and deleted_at is null;

-- Active ones are counted with each submission that is limited.
create index task_live_idx on scheduler.run (client_id)
where workflow_id is null and deleted_at is null and ended_at is null;

-- The place of a submission among those that are limited, or must not be active
-- twice. Counts while its run is active, and until that is stored while its
-- partition's epoch is this one: a commit under another is refused.
create table scheduler.task_reservation (
  run_id uuid primary key,
  client_id text not null,
  -- What must not be active twice; null when nothing is compared.
  dedupe_key text,
  partition int not null,
  epoch bigint not null,
  -- Drawn with each reserving, so that none is removed that was made again.
  token uuid not null
) with (autovacuum_vacuum_threshold = 1000, autovacuum_analyze_threshold = 200);

create index task_reservation_by_client_idx on scheduler.task_reservation (client_id, dedupe_key);
create index task_reservation_by_partition_idx on scheduler.task_reservation (partition, run_id);

-- How many of its slots are for programs; workers that do not say it have none.
alter table scheduler.worker
  add column program_slots int not null default 0;

-- When a request changed it last; null in rows of older code, until one does.
alter table scheduler.schedule
  add column updated_at timestamptz;

-- Files that tasks may be submitted of. The row is there before the file and goes
-- after it, so that no file stays that nobody knows.
create table scheduler.upload (
  upload_id uuid primary key,
  client_id text not null,
  file_name text not null,
  -- In bytes; null while it is being received.
  size int,
  md5 text,
  -- Whether it is given up as soon as something was submitted of it.
  single_use boolean not null default false,
  created_at timestamptz not null default now(),
  -- Set when its file is to be removed; it is received no more from then on.
  removing_at timestamptz
);

create index upload_by_name_idx on scheduler.upload (client_id, file_name, created_at desc);
create index upload_by_time_idx on scheduler.upload (created_at);
create index upload_to_remove_idx on scheduler.upload (removing_at) where removing_at is not null;
