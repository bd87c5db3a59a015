-- Task ids are compared byte by byte, so that those of one run stand together:
-- they begin with the run's id. Old code goes on; the indexes are built anew
-- while the tables are locked.

alter table taskio.transcript
  alter column task_id type text collate "C";

alter table taskio.transcript_entry
  alter column task_id type text collate "C";
