-- What runs are found by, who started them, schedules, and what is left of
-- runs that are being removed. Old code goes on: new columns have defaults.

alter table scheduler.run
  add column workflow_version text,
  -- `key=value`, each a text of its own, for the search by labels.
  add column labels text[] not null default '{}',
  add column priority int not null default 0,
  add column parent_run_id uuid,
  add column schedule_id uuid,
  add column rerun_of uuid,
  -- Set by whoever removes the run; hidden from then on, and gone once its
  -- transcripts and files are.
  add column deleted_at timestamptz;

create index run_by_parent_idx on scheduler.run (parent_run_id) where parent_run_id is not null;
create index run_by_schedule_idx on scheduler.run (schedule_id, created_at desc) where schedule_id is not null;
create index run_by_labels_idx on scheduler.run using gin (labels) where labels <> '{}';
create index run_deleted_idx on scheduler.run (deleted_at) where deleted_at is not null;
create index run_ended_idx on scheduler.run (ended_at) where ended_at is not null;

-- Out of lists, and not started any more; runs keep it.
alter table scheduler.workflow
  add column deleted_at timestamptz;

create index workflow_by_name_idx on scheduler.workflow (client_id, name, created_at desc);

-- Whether a schedule's run is under way is asked at each of its firings.
create index run_live_by_schedule_idx on scheduler.run (schedule_id)
  where schedule_id is not null and ended_at is null;

-- Starts something at given times. What is decided about a due time is written
-- here first, in one statement with the time that is due next, and carried out
-- afterwards: repeating that is harmless, deciding anew would not be.
create table scheduler.schedule (
  schedule_id uuid primary key,
  partition int not null,
  client_id text not null,
  name text not null,
  -- What the client sent: a serialized antiphon.scheduler.v1.Schedule, with an
  -- inline workflow replaced by its id, and without the file of a task.
  content bytea not null,
  program bytea,
  paused boolean not null,
  -- Raised with every write: who decides on what it read writes only to that.
  revision bigint not null default 0,
  -- The nominal time that is due next; null when it never fires again.
  next_at timestamptz,
  -- When it was last set going again: what was due before counts as missed.
  resumed_at timestamptz,
  last_firing_at timestamptz,
  last_run_id uuid,
  last_failure bytea,
  -- Nominal times that are to be started at once, oldest first.
  starting_firings timestamptz[] not null default '{}',
  -- Nominal times that wait for the run before them to end, oldest first.
  waiting_firings timestamptz[] not null default '{}',
  -- Runs that are to be cancelled before anything is started.
  cancelling_runs uuid[] not null default '{}',
  created_at timestamptz not null default now(),
  -- When its conductor has to look at it, but for what waits for a run's end.
  due_at timestamptz not null generated always as (
    case
      when cardinality(starting_firings) > 0 or cardinality(cancelling_runs) > 0
        then timestamptz '-infinity'
      when paused or next_at is null then timestamptz 'infinity'
      else next_at
    end
  ) stored
) with (fillfactor = 70);

create index schedule_due_idx on scheduler.schedule (partition, due_at) where due_at < 'infinity';
create index schedule_waiting_idx on scheduler.schedule (partition)
  where waiting_firings <> '{}' and not paused;
create index schedule_by_client_idx on scheduler.schedule (client_id, created_at desc, schedule_id desc);
create index schedule_by_time_idx on scheduler.schedule (created_at desc, schedule_id desc);

-- What is too large for a message: outputs of tasks above 64 KiB, by their
-- digest within a run.
create table scheduler.payload (
  run_id uuid not null,
  digest bytea not null,
  content bytea not null,
  at timestamptz not null default now(),
  primary key (run_id, digest)
);
