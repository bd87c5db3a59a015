-- How far the removal of a run is, indexes for what removal looks for, and which
-- workflow a schedule starts. Old code goes on: the columns have defaults or are
-- null, and it looks for nothing by the indexes that go.

alter table scheduler.run
  -- Set when all that belonged to the run is gone. What is left of the row makes
  -- its `request_id` known.
  add column removed_at timestamptz,
  -- Set with it: when the row may go, too.
  add column forget_at timestamptz;

drop index scheduler.run_deleted_idx;
drop index scheduler.run_ended_idx;

create index run_to_remove_idx on scheduler.run (run_id) where deleted_at is not null and removed_at is null;
create index run_to_forget_idx on scheduler.run (forget_at) where forget_at is not null;
create index run_to_expire_idx on scheduler.run (ended_at)
  where ended_at is not null and deleted_at is null and parent_run_id is null;

-- Few runs end this way, and it is they that are looked for.
create index run_failed_idx on scheduler.run (client_id, created_at desc, run_id desc)
  where state in ('failed', 'cancelled');

-- The newest first, of one client or of all.
create index workflow_by_client_idx on scheduler.workflow (client_id, created_at desc, workflow_id desc);
create index workflow_by_time_idx on scheduler.workflow (created_at desc, workflow_id desc);

alter table scheduler.schedule
  -- The stored workflow that it starts by its id; null when it starts something else.
  add column workflow_id uuid;

create index schedule_by_workflow_idx on scheduler.schedule (workflow_id) where workflow_id is not null;

create index request_by_time_idx on scheduler.request (at);
