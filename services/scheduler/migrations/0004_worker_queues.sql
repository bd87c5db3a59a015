-- What workers serve. Old workers serve the default queue, whose name is empty,
-- and have no labels; old code goes on.

alter table scheduler.worker
  add column queues text[] not null default '{""}',
  -- `name=value` each.
  add column labels text[] not null default '{}';
