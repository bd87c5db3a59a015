-- The whole of the scheduler's truth: who owns which partition, what happened in
-- each run, and what lists and look-ups need besides.
--
-- First migration: nothing runs yet.

create schema if not exists scheduler;

-- A scheduler process. Its incarnation is drawn at its start; what it says counts
-- only while its lease has not expired.
create table scheduler.replica (
  incarnation uuid primary key,
  address text not null,
  lease_expires_at timestamptz not null
);

-- Runs are spread over partitions by a hash of their id. Whoever raises the epoch
-- of a partition owns it; every commit checks epoch and owner under FOR SHARE, so
-- raising waits for commits in flight and fences all later ones.
create table scheduler.partition (
  partition int primary key,
  epoch bigint not null,
  owner_incarnation uuid
) with (fillfactor = 50);

-- 64 for ever: see lib/ids/partition.ts.
insert into scheduler.partition (partition, epoch)
select number, 0
from generate_series(0, 63) as number;

-- A stored definition; never changes. The id is derived from owner and content.
create table scheduler.workflow (
  workflow_id uuid primary key,
  client_id text not null,
  name text not null,
  version text not null,
  definition bytea not null,
  created_at timestamptz not null default now()
);

-- Requests that were answered, where no other row knows them.
create table scheduler.request (
  client_id text not null,
  request_id text not null,
  digest text not null,
  at timestamptz not null default now(),
  primary key (client_id, request_id)
);

-- One row per run: what lists show and a take-over loads. Follows from the
-- history and is written in the statement of its events.
create table scheduler.run (
  run_id uuid primary key,
  partition int not null,
  client_id text not null,
  workflow_id uuid,
  name text not null,
  state text not null,
  is_cancel_requested boolean not null,
  failure bytea,
  created_at timestamptz not null,
  ended_at timestamptz,
  constraint run_state_check
    check (state in ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled'))
) with (
  fillfactor = 80,
  autovacuum_analyze_threshold = 200,
  autovacuum_analyze_scale_factor = 0.05,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_scale_factor = 0.05
);

create index run_live_idx on scheduler.run (partition) where ended_at is null;
create index run_by_client_idx on scheduler.run (client_id, created_at desc, run_id desc);
create index run_by_time_idx on scheduler.run (created_at desc, run_id desc);

-- What happened. Append-only; the fold of a run's rows is its state.
create table scheduler.run_event (
  run_id uuid not null,
  seq int not null,
  type text not null,
  node_id text,
  attempt int,
  at timestamptz not null,
  payload bytea not null,
  primary key (run_id, seq)
) with (autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.1);

-- The file of a stand-alone task. Too large for messages; fetched by the worker
-- that holds the lease.
create table scheduler.program (
  run_id uuid primary key,
  content bytea not null
);

-- The registry of workers. The row of a worker holds its latest process.
create table scheduler.worker (
  worker_id text primary key,
  client_id text not null,
  incarnation text not null,
  handlers text[] not null,
  slots int not null,
  held int not null,
  sandbox text not null,
  registered_at timestamptz not null,
  last_seen_at timestamptz not null
) with (fillfactor = 50);
