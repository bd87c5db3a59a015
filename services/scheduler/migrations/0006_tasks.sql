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
