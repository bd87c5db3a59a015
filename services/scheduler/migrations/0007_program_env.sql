-- What programs find in their environment, sealed. Old code goes on: the columns
-- may be null, and a program that it hands out finds nothing there.

alter table scheduler.program
  -- Sealed for the run; null when there is none. See lib/seal/stored-secret.ts.
  add column sealed_env bytea;

alter table scheduler.schedule
  -- Sealed for the schedule; null when there is none.
  add column sealed_env bytea;
