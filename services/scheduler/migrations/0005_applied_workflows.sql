-- Which of the definitions of one name is meant by the name: the one that was
-- stored last on purpose, not one that only came along with a start. Old code goes
-- on; it goes by when a content was stored first.

alter table scheduler.workflow
  -- When CreateWorkflow stored it last; null when it only came along with starts.
  add column applied_at timestamptz;

update scheduler.workflow
set applied_at = created_at;

drop index scheduler.workflow_by_name_idx;
drop index scheduler.workflow_by_client_idx;
drop index scheduler.workflow_by_time_idx;

create index workflow_by_name_idx on scheduler.workflow (client_id, name, applied_at desc)
where applied_at is not null;
create index workflow_by_client_idx on scheduler.workflow (client_id, applied_at desc, workflow_id desc)
where applied_at is not null;
create index workflow_by_time_idx on scheduler.workflow (applied_at desc, workflow_id desc)
where applied_at is not null;
